/**
 * `Idempotency-Key`, after the IETF draft: the same key and request give the same answer, whatever happened on
 * the way back; another request under the key is 422, one that is still running 409. The answer is stored in the
 * transaction of the effect itself, so a crash between the two cannot happen.
 */
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { ApiError } from '../errors.ts';
import type { Tx } from '../store/database.ts';

const KEY = /^[\x21-\x7e]{1,255}$/;

export interface IdempotencyRequest {
  apiUserId: number;
  key: string;
  fingerprint: Buffer;
}

export interface StoredAnswer {
  status: number;
  body: string;
  /** Of a refusal; null for a success. */
  errorCode: string | null;
}

/** Null when the header is absent. Throws `invalid_parameter` for a key that is empty, too long or not plain ASCII. */
export function readIdempotency(
  header: string | string[] | undefined,
  apiUserId: number,
  request: { method: string; path: string; params: unknown },
): IdempotencyRequest | null {
  if (header === undefined) return null;
  const key = Array.isArray(header) ? header.join(',') : header;
  if (!KEY.test(key)) {
    throw new ApiError(
      'invalid_parameter',
      'Invalid parameter Idempotency-Key: must be 1 to 255 visible ASCII characters',
    );
  }
  const fingerprint = createHash('sha256')
    .update(JSON.stringify([request.method, request.path, request.params]))
    .digest();
  return { apiUserId, key, fingerprint };
}

/**
 * Takes the key for this transaction. Returns the stored answer when there is one; throws `in_progress` while
 * another transaction holds it and `idempotency_mismatch` when it belongs to a different request.
 */
export async function takeIdempotencyKey(tx: Tx, request: IdempotencyRequest): Promise<StoredAnswer | null> {
  const lock = await sql<{ taken: boolean }>`
    select pg_try_advisory_xact_lock(hashtextextended(${`idempotency:${request.apiUserId}:${request.key}`}, 0)) as taken
  `.execute(tx);
  if (!lock.rows[0]?.taken) {
    throw new ApiError('in_progress', 'A request with this Idempotency-Key is still in progress.');
  }
  const stored = await tx
    .selectFrom('idempotency')
    .select(['fingerprint', 'status', 'body', 'error_code'])
    .where('api_user_id', '=', request.apiUserId)
    .where('key', '=', request.key)
    .executeTakeFirst();
  if (!stored) return null;
  if (!request.fingerprint.equals(stored.fingerprint)) {
    throw new ApiError('idempotency_mismatch', 'This Idempotency-Key was used with a different request.');
  }
  return { status: stored.status, body: stored.body, errorCode: stored.error_code };
}

export async function storeAnswer(tx: Tx, request: IdempotencyRequest, answer: StoredAnswer): Promise<void> {
  await tx
    .insertInto('idempotency')
    .values({
      api_user_id: request.apiUserId,
      key: request.key,
      fingerprint: request.fingerprint,
      status: answer.status,
      body: answer.body,
      error_code: answer.errorCode,
    })
    .execute();
}
