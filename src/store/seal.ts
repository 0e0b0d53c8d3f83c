/**
 * Secrets and messages at rest: AES-256-GCM under a key that is not in the database. A sealed value opens only in the
 * place it was sealed for, so that a row's secret cannot be moved to another row.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto';

export interface Seal {
  /** `place` names where the value stands, such as `connection 7`; the same must be given to open it. */
  close(plain: Buffer, place: string): Buffer;
  /** Throws SealBroken when the value was sealed under a key we do not have, for another place, or was changed. */
  open(sealed: Buffer, place: string): Buffer;
  /** Was it sealed under the key that seals now? Says nothing of whether it opens. */
  isCurrent(sealed: Buffer): boolean;
}

export class SealBroken extends Error {
  override name = 'SealBroken';
}

export const KEY_BYTES = 32;
const FORMAT = 1;
const KEY_ID_BYTES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = 1 + KEY_ID_BYTES;
const CIPHER = 'aes-256-gcm';
const OPTIONS = { authTagLength: TAG_BYTES };

const keyIdOf = (key: Buffer) =>
  createHash('sha256').update('openchair key ').update(key).digest().subarray(0, KEY_ID_BYTES);

/**
 * Each place has a key of its own. That binds a value to its place, and no two random nonces ever meet under one key,
 * however many messages are sealed (NIST SP 800-38D, 8.3, allows 2^32 of them under one).
 */
const keyOf = (key: Buffer, place: string) => createHmac('sha256', key).update(place).digest();

/** The first key closes; every key opens. Each has KEY_BYTES. */
export function createSeal(keys: readonly [Buffer, ...Buffer[]]): Seal {
  if (keys.some(({ length }) => length !== KEY_BYTES)) throw new Error(`a key that has not ${KEY_BYTES} bytes`);
  const byId = new Map(keys.map((key) => [keyIdOf(key).toString('hex'), key]));
  const [key] = keys;
  const head = Buffer.concat([Buffer.from([FORMAT]), keyIdOf(key)]);
  return {
    close(plain, place) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, keyOf(key, place), nonce, OPTIONS);
      return Buffer.concat([head, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    },
    open(sealed, place) {
      const end = sealed.length - TAG_BYTES;
      if (sealed[0] !== FORMAT || end < HEAD_BYTES + NONCE_BYTES) throw new SealBroken('is no sealed value');
      const opening = byId.get(sealed.subarray(1, HEAD_BYTES).toString('hex'));
      if (!opening) throw new SealBroken('was sealed under another key');
      const nonce = sealed.subarray(HEAD_BYTES, HEAD_BYTES + NONCE_BYTES);
      const decipher = createDecipheriv(CIPHER, keyOf(opening, place), nonce, OPTIONS);
      decipher.setAuthTag(sealed.subarray(end));
      try {
        return Buffer.concat([decipher.update(sealed.subarray(HEAD_BYTES + NONCE_BYTES, end)), decipher.final()]);
      } catch {
        throw new SealBroken('was changed since it was sealed, or stood in another place');
      }
    },
    isCurrent: (sealed) => sealed.subarray(0, HEAD_BYTES).equals(head),
  };
}
