/** A LIKE pattern that matches any text containing `part`, whose own `%`, `_` and `\` mean themselves. */
export function containing(part: string): string {
  return `%${part.replace(/[\\%_]/g, '\\$&')}%`;
}
