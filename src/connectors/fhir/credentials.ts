import { accessTokens } from './access-token.ts';
import type { FhirConfig } from './config.ts';

export interface Credentials {
  /** What stands in `Authorization` now; null for nothing. Throws `Unavailable`. */
  get(signal: AbortSignal): Promise<string | null>;
  /** The server answered 401 to this: could others be had, so that trying once more makes sense? */
  canReplace(authorization: string | null): boolean;
}

/** The credentials that a configuration means. */
export function credentialsOf({ auth, requestTimeoutMs }: FhirConfig, baseUrl: string): Credentials {
  if (auth.type === 'smart') {
    const tokens = accessTokens(auth, baseUrl, requestTimeoutMs);
    return {
      get: async (signal) => `Bearer ${await tokens.get(signal)}`,
      canReplace(authorization) {
        tokens.forget((authorization ?? '').slice('Bearer '.length));
        return true;
      },
    };
  }
  const fixed = authorizationOf(auth);
  return { get: async () => fixed, canReplace: () => false };
}

function authorizationOf(auth: Exclude<FhirConfig['auth'], { type: 'smart' }>): string | null {
  if (auth.type === 'none') return null;
  if (auth.type === 'bearer') return `Bearer ${auth.token}`;
  return `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`;
}
