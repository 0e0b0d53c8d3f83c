import { open } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Config } from '../config.ts';
import type { Logger } from '../logger.ts';
import type { Seed } from '../seed/format.ts';
import { readInstallation, readKeys } from '../seed/installation.ts';
import { createRemarks } from '../seed/remarks.ts';
import { readServer } from '../seed/server.ts';
import { type FoundInstitution, skeletonOf } from '../seed/skeleton.ts';
import { seedText } from '../seed/text.ts';
import { forAll } from '../store/database.ts';
import { dumpDatabase } from './dump.ts';
import { withDatabase } from './with-database.ts';

const USE = 'Use: export [FILE] [--subdomain S] [--from URL --key K], or export --everything FILE';

/**
 * `export`: a seed file of this installation, or of a server that speaks NexHealth's API; with `--everything` the
 * whole database. What a seed has no place for is told on stderr.
 */
export async function exportSeed(config: Config, log: Logger, args: string[]): Promise<void> {
  const { positionals, values } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      everything: { type: 'boolean', default: false },
      subdomain: { type: 'string', multiple: true, default: [] },
      from: { type: 'string' },
      key: { type: 'string' },
    },
  });
  const { everything, subdomain: subdomains, from, key } = values;
  const [file = '-'] = positionals;
  if (positionals.length > 1 || (from === undefined) !== (key === undefined)) throw new Error(USE);
  if (everything) {
    if (file === '-' || from !== undefined || subdomains.length > 0) throw new Error(USE);
    return withDatabase(config, log, (db) => dumpDatabase(db, file));
  }
  const remarks = createRemarks();
  const nowMs = Date.now();
  let text = '';
  const write = (found: FoundInstitution[], keys: Seed['api_keys']) => {
    const institutions = found.map((one) => skeletonOf(one, nowMs, remarks));
    text = seedText({ institutions, api_keys: keys });
  };
  if (from !== undefined && key !== undefined) {
    const tell = (line: string) => console.error(line);
    write(await readServer({ url: from, key, subdomains, remarks, tell }), []);
  } else {
    await withDatabase(config, log, async (db) => {
      await forAll(db, async (tx) => {
        const found = await readInstallation(tx, subdomains, nowMs);
        if (found.length === 0) throw new Error('There is no institution here yet: nothing to write.');
        write(found, await readKeys(tx, found));
      });
    });
  }
  if (file === '-') process.stdout.write(text);
  else await writeNew(file, text);
  for (const line of remarks.lines()) console.error(`- ${line}`);
  if (file !== '-') console.error(`${file} is written. Start with it: OPENCHAIR_SEED=${file} npm start`);
}

async function writeNew(file: string, text: string): Promise<void> {
  const out = await open(file, 'wx').catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${file} cannot be made (${error.code}). Choose a file that does not exist yet.`);
  });
  try {
    await out.writeFile(text);
  } finally {
    await out.close();
  }
}
