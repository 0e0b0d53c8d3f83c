/** Onboardings as clients make them. */
import assert from 'node:assert/strict';
import type { Api } from '../harness/api.ts';

export interface Onboarding {
  id: string;
  subdomain: string;
  url: string;
  url_expires_at: string;
  created_at: string;
  status: string;
}

export async function makeOnboarding(api: Api, fields: object, key: string = api.key): Promise<Onboarding> {
  const made = await api.post('/onboardings', { version: 'v3.0.0', key, body: { onboarding: fields } });
  assert.equal(made.status, 201, made.text);
  return made.body.data;
}
