/**
 * The key pair with which a client of SMART Backend Services proves who it is. The private half signs here and goes
 * nowhere; the public half is what the FHIR server's operator registers.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';

export interface SigningKey {
  key: KeyObject;
  /** The two that SMART App Launch 2 wants every server to know; the key decides which. */
  algorithm: 'RS384' | 'ES384';
  /** The `kid` that a JWK came with. */
  keyId: string | null;
}

/** RFC 7518, 3.3. */
const MIN_RSA_BITS = 2_048;

/** Label and base64 of the first private key; `openssl ecparam` writes the curve in front of it. */
const PEM = /-----BEGIN ((?:RSA |EC )?PRIVATE KEY)-----([A-Za-z0-9+/=\s]+)-----END \1-----/;

/**
 * Reads a PEM (PKCS #8, PKCS #1 or SEC 1; also without its line breaks, which a form's password field takes out) or
 * a JWK written as JSON. Throws an error that says what is wanted and repeats nothing of the text.
 */
export function readSigningKey(text: string): SigningKey {
  if (/-----BEGIN ENCRYPTED|,ENCRYPTED/.test(text)) throw new Error('must be a private key without a passphrase');
  const { key, keyId } = text.trim().startsWith('{') ? readJwk(text) : { key: readPem(text), keyId: null };
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= MIN_RSA_BITS) return { key, algorithm: 'RS384', keyId };
  if (type === 'ec' && details?.namedCurve === 'secp384r1') return { key, algorithm: 'ES384', keyId };
  throw new Error(`must be an RSA key of at least ${MIN_RSA_BITS} bits or an EC key on the curve P-384`);
}

/** The public half as a JWK with its key id: the one given, else the JWK's own, else the thumbprint (RFC 7638). */
export async function publicJwkOf(
  { key, algorithm, keyId: ownKeyId }: SigningKey,
  keyId: string | null = null,
): Promise<Record<string, unknown> & { kid: string }> {
  const jwk = createPublicKey(key).export({ format: 'jwk' });
  return { ...jwk, alg: algorithm, use: 'sig', kid: keyId ?? ownKeyId ?? (await calculateJwkThumbprint(jwk)) };
}

function readPem(text: string): KeyObject {
  const [, label, body = ''] = PEM.exec(text) ?? [];
  const lines = body.replace(/\s/g, '').match(/.{1,64}/g) ?? [];
  try {
    return createPrivateKey([`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n'));
  } catch {
    throw new Error('must be a private key as PEM, or as a JWK written as JSON');
  }
}

function readJwk(text: string): Pick<SigningKey, 'key' | 'keyId'> {
  try {
    const jwk = JSON.parse(text);
    return {
      key: createPrivateKey({ key: jwk, format: 'jwk' }),
      keyId: typeof jwk.kid === 'string' && jwk.kid !== '' ? jwk.kid : null,
    };
  } catch {
    throw new Error('must be a private key: this JWK has none that can be read');
  }
}
