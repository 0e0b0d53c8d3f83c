/**
 * The project's own files as the house rules look at them. A rule is a function from files to what it finds wrong, so
 * that each test can hold it against the project and against a planted fault.
 */
import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface Source {
  /** From the root, with slashes. */
  path: string;
  text: string;
}

/** One finding: `subject` is what an exception names, `problem` what is wrong with it. */
export interface Finding {
  subject: string;
  problem: string;
}

/** Not ours, or not source: installed, stored or generated. */
const FOREIGN = new Set(['node_modules', '.git', 'data', 'dist']);

/** Every file below `place` whose name ends in one of `endings`, in order of path. */
export async function readSources(place: string, ...endings: string[]): Promise<Source[]> {
  const directory = join(ROOT, place);
  if (!existsSync(directory)) return [];
  const sources: Source[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = posix.join(place, entry.name);
    if (entry.isDirectory()) {
      if (!FOREIGN.has(entry.name)) sources.push(...(await readSources(path, ...endings)));
    } else if (endings.some((ending) => entry.name.endsWith(ending))) {
      sources.push({ path, text: readFileSync(join(ROOT, path), 'utf8') });
    }
  }
  return sources.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** A file that is not there: what a rule must find something in. */
export const planted = (path: string, text: string): Source => ({ path, text });

/**
 * What no exception covers, one line each, and exceptions that cover nothing: they have outlived their reason.
 * `exceptions` are reasons by subject.
 */
export function judge(findings: readonly Finding[], exceptions: Readonly<Record<string, string>> = {}): string[] {
  const covered = new Set(findings.map(({ subject }) => subject));
  return [
    ...findings
      .filter(({ subject }) => !(subject in exceptions))
      .map(({ subject, problem }) => `${subject}: ${problem}`),
    ...Object.keys(exceptions)
      .filter((subject) => !covered.has(subject))
      .map((subject) => `${subject}: needs no exception any more`),
  ];
}

const IMPORT = /^(?:import|export)\b[^;'"]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm;
/** A program that is started rather than imported. */
const STARTED = /new URL\('(\.[^']+\.ts)', import\.meta\.url\)/g;

/** What a file imports, as written. */
export function importsOf({ text }: Source): string[] {
  return [...text.matchAll(IMPORT)].map((match) => (match[1] ?? match[2] ?? match[3]) as string);
}

/** The files of the project that it imports or starts, from the root. */
export function filesOf(source: Source): string[] {
  const started = [...source.text.matchAll(STARTED)].map((match) => match[1] as string);
  return [...importsOf(source), ...started]
    .filter((name) => name.startsWith('.'))
    .map((name) => posix.normalize(posix.join(posix.dirname(source.path), name)));
}

export const isTest = ({ path }: Source) => basename(path).endsWith('.test.ts');

export const isThere = (path: string) =>
  existsSync(join(ROOT, path)) && !relative(ROOT, join(ROOT, path)).startsWith('..');
