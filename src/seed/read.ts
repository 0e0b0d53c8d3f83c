import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { withOwnCodes } from './codes.ts';
import { withoutDefaults } from './defaults.ts';
import { type Seed, seedShape } from './format.ts';
import { type Problem, referenceProblems } from './references.ts';
import { shapeProblems } from './shape-problems.ts';

/** More lines than a person corrects in one go. */
const MAX_PROBLEMS_TOLD = 20;
/** Of what was found, so much that one sees what it is. */
const MAX_FOUND_LENGTH = 60;

/** Reads and checks a seed file. Throws one error that names the path of everything that is wrong in it. */
export async function readSeed(file: string): Promise<{ seed: Seed; fingerprint: string }> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Error(`OPENCHAIR_SEED: ${file} cannot be read (${error.code}).`);
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new Error(`OPENCHAIR_SEED: ${file} is not JSON: ${(error as Error).message}`);
  }
  const { seed, problems } = checkSeed(json);
  if (seed === null)
    throw new Error(`OPENCHAIR_SEED: ${file} is not a usable seed (docs/seed.md):\n${problems.join('\n')}`);
  // Of what was said, not of the text: white space and defaults written out make no other practice.
  const { $schema: _, ...content } = withoutDefaults(seedShape, seed) as Seed;
  return {
    seed: withOwnCodes(seed),
    fingerprint: createHash('sha256').update(JSON.stringify(content)).digest('hex'),
  };
}

/** The seed that `json` is; null when it is none, with a line for each thing that is wrong: its path, what was found, what is wanted. */
export function checkSeed(json: unknown): { seed: Seed | null; problems: string[] } {
  const parsed = seedShape.safeParse(json);
  const problems = parsed.success ? referenceProblems(parsed.data) : shapeProblems(parsed.error.issues);
  if (parsed.success && problems.length === 0) return { seed: parsed.data, problems: [] };
  const lines = problems
    .slice(0, MAX_PROBLEMS_TOLD)
    .map(({ path, wanted }) => `  ${pathText(path)}: found ${foundText(json, path)}, wanted ${wanted}`);
  if (problems.length > lines.length) lines.push(`  and ${problems.length - lines.length} more`);
  return { seed: null, problems: lines };
}

/** `institutions[0].locations[1].tz`. */
function pathText(path: Problem['path']): string {
  const text = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return text.replace(/^\./, '') || 'the file';
}

function foundText(json: unknown, path: Problem['path']): string {
  const found = path.reduce<unknown>(
    (value, part) => (value as Record<PropertyKey, unknown> | null | undefined)?.[part],
    json,
  );
  if (found === undefined) return 'nothing';
  // What is told goes to the terminal and into logs.
  if (path.at(-1) === 'key') return 'another text';
  const text = JSON.stringify(found);
  return text.length > MAX_FOUND_LENGTH ? `${text.slice(0, MAX_FOUND_LENGTH)}…` : text;
}
