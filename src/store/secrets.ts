/**
 * What is secret in the tables: `connection.config` as a whole, because any field of it may be a credential,
 * `webhook_endpoint.secret_key` and `instance.token_secret`. Each stands there as the text `sealed:…`. What an older
 * program has stored stands in the open: it is read as well, and sealed at the next start.
 */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { Tx } from './database.ts';
import type { ConnectionRow, WebhookEndpointRow } from './schema.ts';
import type { Seal } from './seal.ts';

const PREFIX = 'sealed:';

/** Rows that hold a secret, and thereby the places that secrets are sealed for. */
export type SecretRow = `connection ${number}` | `webhook_endpoint ${number}` | 'instance';

const bytesOf = (stored: string) => Buffer.from(stored.slice(PREFIX.length), 'base64');

/** Anything else stands in the open. */
export const isSealed = (stored: string) => stored.startsWith(PREFIX);

/** Sealed, and under the key that seals now. */
export const isUpToDate = (seal: Seal, stored: string) => isSealed(stored) && seal.isCurrent(bytesOf(stored));

/** The text as it stands in that row. */
export function sealSecret(seal: Seal, text: string, row: SecretRow): string {
  return PREFIX + seal.close(Buffer.from(text), row).toString('base64');
}

/** Throws SealBroken, which says what is wrong with the secret of that row. */
export function openSecret(seal: Seal, stored: string, row: SecretRow): string {
  return isSealed(stored) ? seal.open(bytesOf(stored), row).toString() : stored;
}

/** JSON for the column `config` of that connection. */
export function sealConfig(seal: Seal, connectionId: number, config: object): string {
  return JSON.stringify(sealSecret(seal, JSON.stringify(config), `connection ${connectionId}`));
}

/** The configuration as it was given. Throws SealBroken. */
export function openConfig(seal: Seal, { id, config }: Pick<ConnectionRow, 'id' | 'config'>): object {
  return typeof config === 'string' ? JSON.parse(openSecret(seal, config, `connection ${id}`)) : config;
}

/** What signs the deliveries to that endpoint. Throws SealBroken. */
export function openEndpointSecret(
  seal: Seal,
  { id, secret_key }: Pick<WebhookEndpointRow, 'id' | 'secret_key'>,
): string {
  return openSecret(seal, secret_key, `webhook_endpoint ${id}`);
}

/** 256 random bits, in hex because every kind of receiver takes that as text. */
export const newEndpointSecret = () => randomBytes(32).toString('hex');

/** An id for a row that is to be inserted: what is sealed must know where it will stand. */
export async function takeId(tx: Tx, table: 'connection' | 'webhook_endpoint'): Promise<number> {
  const { rows } = await sql<{ id: number }>`select nextval(pg_get_serial_sequence(${table}, 'id')) as id`.execute(tx);
  return (rows[0] as { id: number }).id;
}
