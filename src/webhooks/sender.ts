/** One HTTP POST to a receiver that may be slow, broken or hostile. */
import { performance } from 'node:perf_hooks';
import { Agent, request } from 'undici';
import type { Clock } from '../clock.ts';
import { type AddressMode, createConnector } from './addresses.ts';
import { type Attempt, parseRetryAfter } from './schedule.ts';
import { signatureHeaders } from './signature.ts';

/** From looking up the name to the last header of the answer. */
const TOTAL_TIMEOUT_MS = 15_000;
/** What an answer says does not matter; reading this much of it lets most connections be used again. */
const MAX_BODY_BYTES = 4_096;
const MAX_BODY_WAIT_MS = 1_000;
const MAX_HEADERS_BYTES = 16_384;

export interface Message {
  targetUrl: string;
  secretKey: string;
  /** The same over every attempt. */
  webhookId: string;
  /** Sent and signed as it stands. */
  body: Buffer;
}

export interface Sender {
  /**
   * Tries once; follows no redirect and repeats nothing. What the receiver answers beyond status and headers is
   * thrown away unread. Rejects only when `signal` aborts.
   */
  send(message: Message, signal: AbortSignal): Promise<Attempt>;
  close(): Promise<void>;
}

/** `totalTimeoutMs` is what it is, save in tests. */
export function createSender(addresses: AddressMode, clock: Clock, totalTimeoutMs = TOTAL_TIMEOUT_MS): Sender {
  const agent = new Agent({ connect: createConnector(addresses), maxHeaderSize: MAX_HEADERS_BYTES });

  async function post(message: Message, attemptedAtMs: number, signal: AbortSignal) {
    const answer = await request(message.targetUrl, {
      dispatcher: agent,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Openchair-Webhooks/1',
        ...signatureHeaders(message.secretKey, message.webhookId, message.body, attemptedAtMs),
      },
      body: message.body,
      signal,
    });
    await answer.body.dump({ limit: MAX_BODY_BYTES, signal: AbortSignal.timeout(MAX_BODY_WAIT_MS) }).catch(() => {});
    return answer;
  }

  return {
    async send(message, signal) {
      const attemptedAtMs = clock.nowMs();
      const startedMs = performance.now();
      const end = (result: Pick<Attempt, 'statusCode' | 'errorCode' | 'retryAfterMs'>): Attempt => ({
        attemptedAtMs,
        durationMs: Math.round(performance.now() - startedMs),
        ...result,
      });
      try {
        const timed = AbortSignal.any([signal, AbortSignal.timeout(totalTimeoutMs)]);
        const { statusCode, headers } = await post(message, attemptedAtMs, timed);
        const retryAfterMs = parseRetryAfter(headers['retry-after'], clock.nowMs());
        return end({ statusCode, errorCode: null, retryAfterMs });
      } catch (error) {
        if (signal.aborted) throw error;
        return end({ statusCode: null, errorCode: errorCodeOf(error), retryAfterMs: null });
      }
    },
    close: () => agent.destroy(),
  };
}

const OUR_CODES: Record<string, string> = {
  TimeoutError: 'timeout',
  UND_ERR_CONNECT_TIMEOUT: 'connect_timeout',
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  UND_ERR_SOCKET: 'connection_closed',
  HTTPParserError: 'invalid_response',
};

/** A word for the delivery log: ours for what we do, else the system's own (`ECONNREFUSED`, `CERT_HAS_EXPIRED`). */
function errorCodeOf(error: unknown): string {
  const { name, code } = error as { name?: unknown; code?: unknown };
  const known = typeof code === 'string' ? code : String(name);
  return OUR_CODES[known] ?? OUR_CODES[String(name)] ?? known.slice(0, 64);
}
