/**
 * Who is calling. A key is exchanged for a token of one hour, as at NexHealth; the raw key itself is accepted
 * everywhere too, because a third of the public clients send just that, with and without `Bearer`.
 */
import { randomBytes } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import type { Clock } from '../clock.ts';
import { ApiError } from '../errors.ts';
import { type Database, forAll } from '../store/database.ts';
import { hashKey } from '../store/keys.ts';
import type { Caller } from './context.ts';

const TOKEN_LIFETIME_S = 3600;
/** How long a revoked key or a withdrawn right may still be believed. */
const BELIEVED_MS = 1_000;
const MAX_CACHED = 10_000;
/** Longer than any token of ours; what exceeds it is not looked at. */
const MAX_CREDENTIAL_LENGTH = 4_096;

/** The credential of an Authorization header: `Bearer x`, `Bearer  x`, `x`. */
export function credentialOf(header: string | undefined): string | null {
  if (!header || header.length > MAX_CREDENTIAL_LENGTH) return null;
  const credential = header.replace(/^\s*bearer\s+/i, '').trim();
  return credential === '' || /\s/.test(credential) ? null : credential;
}

export interface Authentication {
  /**
   * The caller behind an Authorization header. With `anew` nothing is believed that was found earlier: an institution
   * that has just been made is within reach at once. Throws `not_authenticated`.
   */
  identify(header: string | undefined, anew?: boolean): Promise<Caller>;
  /** A token of one hour for the caller of this raw key. Throws `not_authenticated`. */
  issueToken(header: string | undefined): Promise<string>;
}

/** Looks keys up in `db` and signs tokens with `tokenSecret`; what it has found is believed for `BELIEVED_MS`. */
export function createAuthentication(db: Database, tokenSecret: string, clock: Clock): Authentication {
  const secret = new TextEncoder().encode(tokenSecret);
  const known = new Map<string, { caller: Caller | null; untilMs: number }>();
  const verified = new Map<string, { keyId: string; expiresMs: number }>();

  /** Keys are found by hash or by id; both answers are believed for a moment, the bad ones as well. */
  async function callerOf(lookup: { hash: Buffer } | { keyId: string }, anew: boolean): Promise<Caller | null> {
    const name = 'hash' in lookup ? lookup.hash.toString('base64') : `id:${lookup.keyId}`;
    const cached = known.get(name);
    if (!anew && cached && cached.untilMs > clock.nowMs()) return cached.caller;
    const caller = await forAll(db, async (tx) => {
      let query = tx
        .selectFrom('api_key')
        .innerJoin('api_user', 'api_user.id', 'api_key.api_user_id')
        .select(['api_user.id', 'api_user.is_admin', 'api_key.id as api_key_id'])
        .where('api_key.revoked_at', 'is', null);
      query =
        'hash' in lookup
          ? query.where('api_key.key_hash', '=', lookup.hash)
          : query.where('api_key.id', '=', Number(lookup.keyId));
      const user = await query.executeTakeFirst();
      if (!user) return null;
      const institutions = await tx
        .selectFrom('api_user_institution')
        .innerJoin('institution', 'institution.id', 'api_user_institution.institution_id')
        .select(['institution.id', 'institution.subdomain', 'institution.name'])
        .where('api_user_institution.api_user_id', '=', user.id)
        .orderBy('institution.id')
        .execute();
      return { apiUserId: user.id, apiKeyId: user.api_key_id, isAdmin: user.is_admin, institutions };
    });
    if (known.size >= MAX_CACHED) known.clear();
    known.set(name, { caller, untilMs: clock.nowMs() + BELIEVED_MS });
    return caller;
  }

  async function keyIdOfToken(token: string): Promise<string | null> {
    const cached = verified.get(token);
    if (cached) return cached.expiresMs > clock.nowMs() ? cached.keyId : null;
    try {
      const { payload } = await jwtVerify(token, secret, {
        algorithms: ['HS256'],
        requiredClaims: ['exp', 'kid'],
        currentDate: new Date(clock.nowMs()),
      });
      const keyId = String(payload.kid);
      if (!/^\d{1,15}$/.test(keyId)) return null;
      if (verified.size >= MAX_CACHED) verified.clear();
      verified.set(token, { keyId, expiresMs: (payload.exp ?? 0) * 1000 });
      return keyId;
    } catch {
      return null;
    }
  }

  const refused = () =>
    new ApiError(
      'not_authenticated',
      'Authorization is missing, unknown or expired: send the API key or a token of it.',
    );

  return {
    async identify(header, anew = false) {
      const credential = credentialOf(header);
      if (credential === null) throw refused();
      let caller: Caller | null = null;
      if (credential.split('.').length === 3) {
        const keyId = await keyIdOfToken(credential);
        if (keyId !== null) caller = await callerOf({ keyId }, anew);
      } else {
        caller = await callerOf({ hash: hashKey(credential) }, anew);
      }
      if (!caller) throw refused();
      return caller;
    },

    async issueToken(header) {
      const credential = credentialOf(header);
      if (credential === null) throw refused();
      const hash = hashKey(credential);
      const row = await forAll(db, (tx) =>
        tx
          .selectFrom('api_key')
          .select(['id', 'api_user_id'])
          .where('key_hash', '=', hash)
          .where('revoked_at', 'is', null)
          .executeTakeFirst(),
      );
      if (!row) throw refused();
      const issuedAtS = Math.floor(clock.nowMs() / 1000);
      return new SignJWT({ scp: 'api_user', kid: String(row.id) })
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject(String(row.api_user_id))
        .setIssuedAt(issuedAtS)
        .setExpirationTime(issuedAtS + TOKEN_LIFETIME_S)
        .setJti(randomBytes(16).toString('hex'))
        .sign(secret);
    },
  };
}
