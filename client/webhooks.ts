/**
 * Did this delivery come from Openchair, as it is, and just now? Every delivery carries two signatures with one
 * secret, the `secret_key` of its endpoint; a receiver checks either.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface ReceivedWebhook {
  /** The body as it came: bytes, or text that was not parsed and written again. */
  body: Uint8Array | string;
  /** As node:http, fetch or a plain object has them. */
  headers: { get(name: string): string | null } | Record<string, string | string[] | undefined>;
}

export interface VerifyOptions {
  /** How old, or how far ahead, a delivery may be. Default 300. */
  toleranceSeconds?: number;
  /** Default: now. */
  nowMs?: number;
}

/** Do not trust the delivery; the message says why. */
export class SignatureError extends Error {
  override name = 'SignatureError';
}

const DEFAULT_TOLERANCE_SECONDS = 300;

/**
 * By NexHealth's headers `timestamp` (ISO 8601) and `signature` (hex HMAC-SHA256 of `timestamp.base64(body)`).
 * Returns the body, parsed. Throws `SignatureError`.
 */
export function verifyNexHealthSignature<Event = unknown>(
  delivery: ReceivedWebhook,
  secretKey: string,
  options?: VerifyOptions,
): Event {
  const body = Buffer.from(delivery.body as Uint8Array);
  const timestamp = headerOf(delivery, 'timestamp');
  const signature = headerOf(delivery, 'signature');
  const wanted = createHmac('sha256', secretKey)
    .update(`${timestamp}.${body.toString('base64')}`)
    .digest();
  if (!/^[0-9a-f]{64}$/i.test(signature) || !timingSafeEqual(Buffer.from(signature, 'hex'), wanted)) {
    throw new SignatureError('signature is not that of this timestamp, body and secret');
  }
  checkAge('timestamp', Date.parse(timestamp), options);
  return parse(body);
}

/**
 * By the headers of Standard Webhooks: `webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature` (one or
 * more of `v1,` and base64 HMAC-SHA256 of `id.timestamp.body`). Covers the id too, by which a delivery that comes
 * twice can be told. Returns the body, parsed. Throws `SignatureError`.
 */
export function verifyStandardWebhook<Event = unknown>(
  delivery: ReceivedWebhook,
  secretKey: string,
  options?: VerifyOptions,
): Event {
  const body = Buffer.from(delivery.body as Uint8Array);
  const id = headerOf(delivery, 'webhook-id');
  const timestamp = headerOf(delivery, 'webhook-timestamp');
  const signatures = headerOf(delivery, 'webhook-signature');
  const wanted = createHmac('sha256', secretKey).update(`${id}.${timestamp}.`).update(body).digest();
  const isSigned = signatures.split(' ').some((one) => {
    const [version, text = ''] = one.split(',');
    const given = Buffer.from(text, 'base64');
    return version === 'v1' && given.length === wanted.length && timingSafeEqual(given, wanted);
  });
  if (!isSigned) throw new SignatureError('webhook-signature is not that of this id, timestamp, body and secret');
  checkAge('webhook-timestamp', /^\d{1,12}$/.test(timestamp) ? Number(timestamp) * 1_000 : Number.NaN, options);
  return parse(body);
}

function headerOf({ headers }: ReceivedWebhook, name: string): string {
  const value = isHeaders(headers)
    ? headers.get(name)
    : Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  if (typeof value !== 'string' || value === '') throw new SignatureError(`the header ${name} is missing`);
  return value;
}

const isHeaders = (headers: ReceivedWebhook['headers']): headers is { get(name: string): string | null } =>
  typeof headers.get === 'function';

function checkAge(
  name: string,
  sentAtMs: number,
  { toleranceSeconds = DEFAULT_TOLERANCE_SECONDS, nowMs = Date.now() }: VerifyOptions = {},
): void {
  if (Number.isNaN(sentAtMs)) throw new SignatureError(`${name} is not a time`);
  const ageSeconds = Math.round((nowMs - sentAtMs) / 1_000);
  if (ageSeconds > toleranceSeconds)
    throw new SignatureError(`${name} is ${ageSeconds} s old: an old delivery, sent again by somebody`);
  if (-ageSeconds > toleranceSeconds)
    throw new SignatureError(`${name} is ${-ageSeconds} s ahead: does this clock go right?`);
}

function parse<Event>(body: Buffer): Event {
  try {
    return JSON.parse(body.toString('utf8')) as Event;
  } catch {
    throw new SignatureError('the body is not JSON');
  }
}
