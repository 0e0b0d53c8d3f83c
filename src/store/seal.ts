/**
 * Secrets and messages at rest: AES-256-GCM under a key that is not in the database. A sealed value opens only in the
 * place it was sealed for, so that a row's secret cannot be moved to another row.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

export interface Seal {
  /** `place` names where the value stands, such as `connection 7 config`; the same must be given to open it. */
  close(plain: Buffer, place: string): Buffer;
  /** Throws `SealBroken` when the value was sealed under a key we do not have, for another place, or was changed. */
  open(sealed: Buffer, place: string): Buffer;
}

export class SealBroken extends Error {
  override name = 'SealBroken';
}

const FORMAT = 1;
const KEY_ID_BYTES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = 1 + KEY_ID_BYTES + NONCE_BYTES;

const keyIdOf = (key: Buffer) =>
  createHash('sha256').update('openchair key ').update(key).digest().subarray(0, KEY_ID_BYTES);

/** The first key closes; every key opens. Keys have 32 bytes each. */
export function createSeal(keys: readonly [Buffer, ...Buffer[]]): Seal {
  const byId = new Map(keys.map((key) => [keyIdOf(key).toString('hex'), key]));
  const [key] = keys;
  const head = Buffer.concat([Buffer.from([FORMAT]), keyIdOf(key)]);
  return {
    close(plain, place) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(place));
      return Buffer.concat([head, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    },
    open(sealed, place) {
      const opening = byId.get(sealed.subarray(1, 1 + KEY_ID_BYTES).toString('hex'));
      if (sealed.length < HEAD_BYTES + TAG_BYTES || sealed[0] !== FORMAT) throw new SealBroken('not a sealed value');
      if (!opening) throw new SealBroken('sealed under another key');
      const nonce = sealed.subarray(1 + KEY_ID_BYTES, HEAD_BYTES);
      const decipher = createDecipheriv('aes-256-gcm', opening, nonce).setAAD(Buffer.from(place));
      decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
      try {
        return Buffer.concat([
          decipher.update(sealed.subarray(HEAD_BYTES, sealed.length - TAG_BYTES)),
          decipher.final(),
        ]);
      } catch {
        throw new SealBroken('changed since it was sealed, or moved from another place');
      }
    },
  };
}
