import { z } from 'zod';

/** A query or fragment in the base would end up in the middle of every URL, and credentials in log lines. */
function isBaseUrl(value: string): boolean {
  return URL.canParse(value) && /^https?:\/\/[^?#@\s]+$/.test(value);
}

export const sandboxConfigSchema = z.strictObject({
  /** Where the sandbox listens, such as `http://127.0.0.1:4010`. */
  baseUrl: z
    .string()
    .max(2_048)
    .refine(isBaseUrl, 'must be an http(s) URL without query, fragment or credentials')
    .meta({ title: 'Address of the sandbox', examples: ['http://127.0.0.1:4010'] }),
  /** Goes into a header as it is. */
  apiKey: z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 visible ASCII characters')
    .meta({ title: 'Key', writeOnly: true }),
  requestTimeoutMs: z.number().int().min(100).max(120_000).default(5_000),
});

export type SandboxConfig = z.infer<typeof sandboxConfigSchema>;
