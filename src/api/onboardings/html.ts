/** HTML with what is put into it escaped, so that no name of a practice can become markup. */
export interface Html {
  html: string;
}

type Part = string | number | Html | readonly Html[] | null;

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function textOf(part: Part): string {
  if (part === null) return '';
  if (typeof part === 'object') return 'html' in part ? part.html : part.map(({ html }) => html).join('');
  return String(part).replace(/[&<>"']/g, (character) => ESCAPES[character] as string);
}

/** A template tag: text and numbers are escaped, HTML stays as it is, null is nothing. Attributes go in double quotes. */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
  return { html: strings.map((text, at) => text + (at < parts.length ? textOf(parts[at] as Part) : '')).join('') };
}
