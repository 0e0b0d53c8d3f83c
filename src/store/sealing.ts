/**
 * The start of a program with a sealed database: which key it has, whether that is the right one, and whatever does
 * not stand under it yet, from an older program or an older key. Every step may be cut off, and done by several
 * processes at once: each changes only what it has read.
 */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { Config } from '../config.ts';
import type { Logger } from '../logger.ts';
import { type Database, forAll, type Tx } from './database.ts';
import { createSeal, type Seal, SealBroken } from './seal.ts';
import { findSecretKey, makeSecretKey } from './secret-key.ts';
import { isSealed, isUpToDate, newEndpointSecret, openSecret, type SecretRow, sealSecret } from './secrets.ts';

type KeyConfig = Pick<Config, 'secretKey' | 'secretKeyFile' | 'oldSecretKey' | 'dataDir' | 'databaseUrl'>;

const HOW =
  'Give the key in OPENCHAIR_SECRET_KEY or OPENCHAIR_SECRET_KEY_FILE, or put the secret.key of the installation into OPENCHAIR_DATA';

/** The seal of the keys that are given; null when there is none. Whether they are the right ones, `fits` tells. */
export async function findSeal(config: KeyConfig): Promise<Seal | null> {
  const key = await findSecretKey(config);
  if (key === null) return null;
  return createSeal(config.oldSecretKey === null ? [key] : [key, config.oldSecretKey]);
}

/** The same; without a key, of one that is made for this installation. */
export async function makeSeal(config: KeyConfig): Promise<Seal> {
  if ((await findSecretKey(config)) === null) await makeSecretKey(config.dataDir);
  return (await findSeal(config)) as Seal;
}

/** Does it open what is sealed in the database? The secret of tokens, which every installation has, is the proof. */
export async function fits(tx: Tx, seal: Seal | null): Promise<boolean> {
  const row = await tx.selectFrom('instance').select('token_secret').executeTakeFirst();
  if (!row || !isSealed(row.token_secret)) return true;
  return seal !== null && findPlain(seal, 'instance', row.token_secret) !== null;
}

/**
 * The seal that fits. Without a key one is made, where `mayMakeKey` and nothing is sealed yet. Throws with what to do
 * when there is no key or another than the right one, and has changed nothing then.
 */
export async function openSeal(db: Database, config: KeyConfig, mayMakeKey: boolean, log: Logger): Promise<Seal> {
  const seal = await findSeal(config);
  if (!(await forAll(db, (tx) => fits(tx, seal)))) throw wrongKey(seal === null);
  if (seal) return seal;
  if (!mayMakeKey) {
    throw new Error(
      `There is no key yet to seal secrets in the database with. ${HOW}; "openssl rand -hex 32" makes one.`,
    );
  }
  const made = await makeSeal(config);
  // Whoever has a server for the data does not expect that a folder must be kept as well.
  if (config.databaseUrl !== null) {
    log.warn({ folder: config.dataDir }, 'a key for the secrets in the database was made: keep its file, secret.key');
  }
  return made;
}

const wrongKey = (isMissing: boolean) =>
  new Error(
    `The secrets in the database are sealed under ${isMissing ? 'a key that is not here' : 'another key than the one that is here'}. ${HOW}. ` +
      'If it is lost, see "The secret key is lost" in docs/operating.md.',
  );

/** What signs tokens: made once, by whichever process comes first. */
export async function getTokenSecret(db: Database, seal: Seal): Promise<string> {
  return forAll(db, async (tx) => {
    const read = () => tx.selectFrom('instance').select('token_secret').forUpdate();
    let row = await read().executeTakeFirst();
    if (!row) {
      await tx
        .insertInto('instance')
        .values({ token_secret: sealSecret(seal, newTokenSecret(), 'instance') })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      row = await read().executeTakeFirstOrThrow();
    }
    const secret = findPlain(seal, 'instance', row.token_secret);
    // Another process, with another key, has been here since ours was found to fit.
    if (secret === null) throw wrongKey(false);
    // Before all others, so that such a process goes no further.
    if (!isSealed(row.token_secret)) {
      await tx
        .updateTable('instance')
        .set({ token_secret: sealSecret(seal, secret, 'instance') })
        .execute();
    }
    return secret;
  });
}

const newTokenSecret = () => randomBytes(32).toString('base64url');

interface StoredSecret {
  row: SecretRow;
  stored: string;
  /** Puts another text in its place, unless somebody else has been faster. */
  replace(tx: Tx, text: string): Promise<unknown>;
}

/** The proof of the key comes last: it stands under a new key when all the others do. */
async function readSecrets(tx: Tx): Promise<StoredSecret[]> {
  const connections = await sql<{ id: number; stored: string }>`
    select id, config #>> '{}' as stored from connection order by id`.execute(tx);
  const endpoints = await sql<{ id: number; stored: string }>`
    select id, secret_key as stored from webhook_endpoint order by id`.execute(tx);
  const instances = await sql<{ stored: string }>`select token_secret as stored from instance`.execute(tx);
  return [
    ...connections.rows.map(
      ({ id, stored }): StoredSecret => ({
        row: `connection ${id}`,
        stored,
        replace: (on, text) =>
          sql`update connection set config = to_jsonb(${text}::text) where id = ${id} and config #>> '{}' = ${stored}`.execute(
            on,
          ),
      }),
    ),
    ...endpoints.rows.map(
      ({ id, stored }): StoredSecret => ({
        row: `webhook_endpoint ${id}`,
        stored,
        replace: (on, text) =>
          sql`update webhook_endpoint set secret_key = ${text} where id = ${id} and secret_key = ${stored}`.execute(on),
      }),
    ),
    ...instances.rows.map(
      ({ stored }): StoredSecret => ({
        row: 'instance',
        stored,
        replace: (on, text) =>
          sql`update instance set token_secret = ${text} where token_secret = ${stored}`.execute(on),
      }),
    ),
  ];
}

/** Null when it does not open. */
function findPlain(seal: Seal, row: SecretRow, stored: string): string | null {
  try {
    return openSecret(seal, stored, row);
  } catch (error) {
    if (!(error instanceof SealBroken)) throw error;
    return null;
  }
}

/**
 * Seals what stands in the open or under the old key, each in a transaction of its own. Returns the rows whose secret
 * does not open; they stay as they are.
 */
export async function sealSecrets(db: Database, seal: Seal): Promise<SecretRow[]> {
  const lost: SecretRow[] = [];
  for (const { row, stored, replace } of await forAll(db, readSecrets)) {
    const plain = findPlain(seal, row, stored);
    if (plain === null) lost.push(row);
    else if (!isUpToDate(seal, stored)) await forAll(db, (tx) => replace(tx, sealSecret(seal, plain, row)));
  }
  return lost;
}

/**
 * For an installation whose key is lost: what does not open and is of our own making is made anew, so that the
 * program can start. Returns all rows whose secret did not open; the configurations among them stay as they are,
 * until somebody enters them again.
 */
export async function replaceLostSecrets(db: Database, seal: Seal): Promise<SecretRow[]> {
  return forAll(db, async (tx) => {
    const lost = (await readSecrets(tx)).filter(({ row, stored }) => findPlain(seal, row, stored) === null);
    for (const { row, replace } of lost) {
      if (row === 'instance') await replace(tx, sealSecret(seal, newTokenSecret(), row));
      else if (row.startsWith('webhook_endpoint')) await replace(tx, sealSecret(seal, newEndpointSecret(), row));
    }
    return lost.map(({ row }) => row);
  });
}
