import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Seed, seedShape } from './format.ts';
import { type Problem, referenceProblems } from './references.ts';

/** More lines than a person corrects in one go. */
const MAX_PROBLEMS_TOLD = 20;

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
  const parsed = seedShape.safeParse(json);
  const problems: Problem[] = parsed.success ? referenceProblems(parsed.data) : parsed.error.issues;
  if (!parsed.success || problems.length > 0) {
    const lines = problems.slice(0, MAX_PROBLEMS_TOLD).map(({ path, message }) => `  ${pathText(path)}: ${message}`);
    if (problems.length > lines.length) lines.push(`  and ${problems.length - lines.length} more`);
    throw new Error(`OPENCHAIR_SEED: ${file} is not a usable seed (docs/seed.md):\n${lines.join('\n')}`);
  }
  // Of what was read, not of the text: white space and left-out defaults make no other practice.
  const { $schema: _, ...content } = parsed.data;
  return { seed: parsed.data, fingerprint: createHash('sha256').update(JSON.stringify(content)).digest('hex') };
}

/** `institutions[0].locations[1].tz`. */
function pathText(path: readonly PropertyKey[]): string {
  const text = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return text.replace(/^\./, '') || 'the file';
}
