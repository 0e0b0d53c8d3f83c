/**
 * Three signatures on every request, with one secret: NexHealth's, for receivers written for it; the one that many
 * receivers look for at NexHealth by mistake; and that of Standard Webhooks, which also covers the id and has
 * libraries in most languages.
 *
 * The key of all is the UTF-8 bytes of `secret_key` as the API shows it. Libraries for Standard Webhooks want
 * their key in base64 with a prefix: give them `whsec_${base64(secret_key)}`.
 */
import { createHmac } from 'node:crypto';
import { toIso } from '../clock.ts';

/**
 * The headers that sign `body` as sent at `nowMs`. `webhookId` stays the same over every attempt, so a receiver
 * can drop what it has seen; the timestamps do not, so it can refuse what is old.
 *
 * - `signature`: hex HMAC-SHA256 of `${timestamp}.${base64(body)}`, `timestamp` in ISO 8601 (NexHealth).
 * - `x-nexhealth-signature`: hex HMAC-SHA256 of the body alone, which says nothing about when it was sent.
 * - `webhook-signature`: `v1,` and base64 HMAC-SHA256 of `${webhook-id}.${webhook-timestamp}.${body}`,
 *   `webhook-timestamp` in seconds (Standard Webhooks 1.0.0).
 */
export function signatureHeaders(
  secretKey: string,
  webhookId: string,
  body: Buffer,
  nowMs: number,
): Record<string, string> {
  const timestamp = toIso(nowMs);
  const seconds = String(Math.floor(nowMs / 1000));
  const standard = createHmac('sha256', secretKey).update(`${webhookId}.${seconds}.`).update(body).digest('base64');
  return {
    timestamp,
    signature: createHmac('sha256', secretKey)
      .update(`${timestamp}.${body.toString('base64')}`)
      .digest('hex'),
    'x-nexhealth-signature': createHmac('sha256', secretKey).update(body).digest('hex'),
    'webhook-id': webhookId,
    'webhook-timestamp': seconds,
    'webhook-signature': `v1,${standard}`,
  };
}
