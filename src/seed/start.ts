/** A start from a seed file: a sandbox for each institution, the rows, and `demo.json` as the demo writes it. */
import { access, mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  awaitFirstSync,
  type DemoServices,
  pointToSandbox,
  portBeside,
  readHandles,
  type SandboxProcess,
  startSandbox,
  writeWhole,
} from '../demo.ts';
import { type Database, forAll, type Tx } from '../store/database.ts';
import type { Seal } from '../store/seal.ts';
import type { Seed, SeedKey } from './format.ts';
import { readSeed } from './read.ts';
import { ensureKeys, insertSeed } from './rows.ts';
import { sandboxFileOf } from './sandbox-file.ts';

/** Room for a large seed: 50,000 appointments are read in some 10 s. */
const FIRST_SYNC_MS = 120_000;

/** Starts what the file describes; returns what stops its sandboxes. A second start with the same file changes nothing. */
export async function startSeed(services: DemoServices, file: string): Promise<() => Promise<void>> {
  const { config, db, wakeups } = services;
  const dataDir = resolve(config.dataDir);
  const { seed, fingerprint } = await readSeed(resolve(file));
  await mkdir(dataDir, { recursive: true });
  await claim(db, dataDir, seed, fingerprint, file);

  const sandboxes = new Map<string, SandboxProcess>();
  const stop = async () => {
    await Promise.all([...sandboxes.values()].map((sandbox) => sandbox.stop()));
  };
  try {
    // One after the other, because each looks for a free port.
    for (const [at, institution] of seed.institutions.entries()) {
      const name = join(dataDir, `sandbox-${institution.subdomain}`);
      // Kept once written, so that a start that was cut off goes on with the same people.
      if (!(await exists(`${name}.json`))) await writeWhole(`${name}.json`, sandboxFileOf(institution, Date.now()));
      const sandbox = await startSandbox(`${name}.sqlite`, `${name}.json`, portBeside(config, 1 + at));
      sandboxes.set(institution.subdomain, sandbox);
    }
    const urlOf = (subdomain: string) => sandboxes.get(subdomain)?.url ?? '';
    const connectionIds = await forAll(db, (tx) => ensureRows(tx, services.seal, seed, urlOf));
    wakeups.wake('sync');
    await Promise.all(connectionIds.map((id) => awaitFirstSync(db, id, FIRST_SYNC_MS)));
    await writeHandles(services, join(dataDir, 'demo.json'), seed, urlOf);
    return stop;
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Refuses a database that holds anything but this seed; throws with what to do instead. */
async function claim(db: Database, dataDir: string, seed: Seed, fingerprint: string, file: string): Promise<void> {
  const record = join(dataDir, 'seed.json');
  const recorded = await readFile(record, 'utf8')
    .then((text): string => JSON.parse(text).sha256)
    .catch(() => null);
  const elsewhere = 'Use another OPENCHAIR_DATA, and with DATABASE_URL an empty database';
  if (recorded !== null && recorded !== fingerprint) {
    throw new Error(
      `OPENCHAIR_SEED: ${file} is not the seed that ${dataDir} was started with, and a seed never changes what exists. ` +
        `${elsewhere}; or start with the earlier file.`,
    );
  }
  const known = await forAll(db, (tx) => tx.selectFrom('institution').select(['id', 'subdomain']).execute());
  const isOurs = recorded !== null && seed.institutions.every(({ id }) => known.some((row) => row.id === id));
  if (known.length > 0 && !isOurs) {
    throw new Error(
      `OPENCHAIR_SEED: the database already holds ${known.map(({ subdomain }) => subdomain).join(', ')}, which did not ` +
        `come from this file. ${elsewhere}.`,
    );
  }
  // Before the rows: a start that is cut off in between is taken up again by the next one.
  if (recorded === null) await writeWhole(record, { sha256: fingerprint });
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/** Returns the connections of the seed's institutions, which point to the running sandboxes now. */
async function ensureRows(tx: Tx, seal: Seal, seed: Seed, urlOf: (subdomain: string) => string): Promise<number[]> {
  const known = await tx.selectFrom('institution').select('id').executeTakeFirst();
  if (!known) await insertSeed(tx, seed);
  const ours = await tx
    .selectFrom('connection')
    // The first is ours; others may have been added since.
    .select(['institution_id', (eb) => eb.fn.min('id').as('id')])
    .where('kind', '=', 'sandbox')
    .where(
      'institution_id',
      'in',
      seed.institutions.map(({ id }) => id),
    )
    .groupBy('institution_id')
    .execute();
  const idOf = new Map(ours.map(({ institution_id, id }) => [institution_id, Number(id)]));
  const connectionIds = seed.institutions.map(({ id }) => idOf.get(id) as number);
  // Sandboxes may have changed their ports with each other.
  await tx.updateTable('connection').set({ hrs_identity: null }).where('id', 'in', connectionIds).execute();
  for (const [at, { subdomain }] of seed.institutions.entries()) {
    await pointToSandbox(tx, seal, connectionIds[at] as number, urlOf(subdomain));
  }
  return connectionIds;
}

/** `demo.json` of the first institution; beside it every key, and where every institution's sandbox is. */
async function writeHandles(
  { db, url }: DemoServices,
  file: string,
  seed: Seed,
  urlOf: (subdomain: string) => string,
): Promise<void> {
  const [first] = seed.institutions as [Seed['institutions'][number]];
  const reaches = ({ subdomains }: SeedKey) => subdomains?.includes(first.subdomain) ?? true;
  const keys = [...seed.api_keys];
  for (const admin of [false, true]) {
    if (!keys.some((key) => key.admin === admin && reaches(key)))
      keys.push({ name: admin ? 'Seed administrator' : 'Seed app', admin });
  }
  const remembered = await readFile(file, 'utf8')
    .then((text) => JSON.parse(text).api_keys ?? {})
    .catch(() => ({}));
  const { texts, handles } = await forAll(db, async (tx) => ({
    texts: await ensureKeys(tx, seed, keys, remembered),
    handles: await readHandles(tx, first.id),
  }));
  const textOf = (admin: boolean) => texts[keys.find((key) => key.admin === admin && reaches(key))?.name ?? ''];
  await writeWhole(file, {
    base_url: url,
    api_key: textOf(false),
    admin_key: textOf(true),
    subdomain: first.subdomain,
    ...handles,
    sandbox_url: urlOf(first.subdomain),
    api_keys: texts,
    sandbox_urls: Object.fromEntries(seed.institutions.map(({ subdomain }) => [subdomain, urlOf(subdomain)])),
  });
}
