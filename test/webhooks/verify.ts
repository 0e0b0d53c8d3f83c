/** A receiver's check of NexHealth's signature, written from its description and apart from our signing. */
import { createHmac, timingSafeEqual } from 'node:crypto';

export function nexHealthAccepts(
  secretKey: string,
  headers: Record<string, string | string[] | undefined>,
  rawBody: Buffer,
): boolean {
  const { timestamp, signature } = headers;
  if (typeof timestamp !== 'string' || typeof signature !== 'string') return false;
  const expected = createHmac('sha256', Buffer.from(secretKey, 'utf8'));
  expected.update(timestamp, 'utf8');
  expected.update('.', 'utf8');
  expected.update(rawBody.toString('base64'), 'utf8');
  const given = Buffer.from(signature, 'hex');
  const wanted = expected.digest();
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
