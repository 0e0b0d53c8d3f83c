import { withoutDefaults } from './defaults.ts';
import { type Seed, seedShape } from './format.ts';
import { checkSeed } from './read.ts';

/** A line that one still takes in at a glance. */
const MAX_LINE_LENGTH = 180;

/** The file as a person would write it: without defaults, a line for each thing. Throws for what would not start. */
export function seedText(seed: Seed): string {
  const written = withoutDefaults(seedShape, seed);
  const { problems } = checkSeed(written);
  if (problems.length > 0) throw new Error(`What was read does not make a usable seed:\n${problems.join('\n')}`);
  return `${linesOf(written, '')}\n`;
}

function linesOf(value: unknown, indent: string): string {
  const isList = Array.isArray(value);
  const short = inOneLine(value);
  if (typeof value !== 'object' || value === null || indent.length + short.length <= MAX_LINE_LENGTH) return short;
  const inner = `${indent}  `;
  const parts = isList
    ? value.map((one) => linesOf(one, inner))
    : Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${linesOf(one, inner)}`);
  const [open, close] = isList ? '[]' : '{}';
  return `${open}\n${parts.map((part) => inner + part).join(',\n')}\n${indent}${close}`;
}

function inOneLine(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(inOneLine).join(', ')}]`;
  const parts = Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${inOneLine(one)}`);
  return parts.length === 0 ? '{}' : `{ ${parts.join(', ')} }`;
}
