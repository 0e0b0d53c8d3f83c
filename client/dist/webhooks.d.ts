export interface ReceivedWebhook {
    /** The body as it came: bytes, or text that was not parsed and written again. */
    body: Uint8Array | string;
    /** As node:http, fetch or a plain object has them. */
    headers: {
        get(name: string): string | null;
    } | Record<string, string | string[] | undefined>;
}
export interface VerifyOptions {
    /** How old, or how far ahead, a delivery may be. Default 300. */
    toleranceSeconds?: number;
    /** Default: now. */
    nowMs?: number;
}
/** Do not trust the delivery; the message says why. */
export declare class SignatureError extends Error {
    name: string;
}
/**
 * By NexHealth's headers `timestamp` (ISO 8601) and `signature` (hex HMAC-SHA256 of `timestamp.base64(body)`).
 * Returns the body, parsed. Throws `SignatureError`.
 */
export declare function verifyNexHealthSignature<Event = unknown>(delivery: ReceivedWebhook, secretKey: string, options?: VerifyOptions): Event;
/**
 * By the headers of Standard Webhooks: `webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature` (one or
 * more of `v1,` and base64 HMAC-SHA256 of `id.timestamp.body`). Covers the id too, by which a delivery that comes
 * twice can be told. Returns the body, parsed. Throws `SignatureError`.
 */
export declare function verifyStandardWebhook<Event = unknown>(delivery: ReceivedWebhook, secretKey: string, options?: VerifyOptions): Event;
