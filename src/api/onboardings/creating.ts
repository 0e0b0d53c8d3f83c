/** Making an onboarding, and the institution it is for when there is none yet. */
import { randomBytes } from 'node:crypto';
import { toIso } from '../../clock.ts';
import { ApiError } from '../../errors.ts';
import type { Tx } from '../../store/database.ts';
import { recordEvents } from '../../webhooks/event.ts';
import { eventOfOnboarding } from '../../webhooks/onboarding.ts';

/** Each may make an institution: a script in a loop ends here. */
export const MAX_IN_PROGRESS = 200;
/** Whoever has the link may connect the practice, so nobody must guess it. */
const HASHID_BYTES = 18;
/** NexHealth's. */
const LINK_MONTHS = 3;
/** Leaves room for what makes a subdomain unique. */
const MAX_SUBDOMAIN_LENGTH = 50;
/** `-2`, `-3` … as long as that is short; then random. */
const MAX_NUMBERED = 20;

export interface NewOnboarding {
  apiUserId: number;
  /** Either one that the user reaches, or the name of a new one. */
  institution: { id: number } | { name: string };
  emrName: string | null;
  /** Where this installation is reached. */
  baseUrl: string;
}

/**
 * Stores the onboarding with its event; a new institution is made at once, and the user reaches it. Returns the
 * onboarding's hashid, and how many deliveries the event caused.
 *
 * @throws ApiError `invalid_parameter` when the user has MAX_IN_PROGRESS already.
 */
export async function createOnboarding(
  tx: Tx,
  onboarding: NewOnboarding,
  nowMs: number,
): Promise<{ hashid: string; deliveries: number }> {
  const { apiUserId } = onboarding;
  await checkBound(tx, apiUserId, nowMs);
  const institutionId =
    'id' in onboarding.institution
      ? onboarding.institution.id
      : await createInstitution(tx, onboarding.institution.name, apiUserId);
  const hashid = randomBytes(HASHID_BYTES).toString('base64url');
  const { id } = await tx
    .insertInto('onboarding')
    .values({
      hashid,
      api_user_id: apiUserId,
      institution_id: institutionId,
      emr_name: onboarding.emrName,
      url: new URL(`/connect/${hashid}`, onboarding.baseUrl).href,
      url_expires_at: linkExpiry(nowMs),
      sequence: 1,
      created_at: toIso(nowMs),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const event = await eventOfOnboarding(tx, id, 'onboarding_created', nowMs);
  return { hashid, deliveries: await recordEvents(tx, institutionId, [event]) };
}

async function checkBound(tx: Tx, apiUserId: number, nowMs: number): Promise<void> {
  // The lock makes the count hold until the insert.
  await tx.selectFrom('api_user').select('id').where('id', '=', apiUserId).forNoKeyUpdate().executeTakeFirstOrThrow();
  const open = await tx
    .selectFrom('onboarding')
    .select('id')
    .where('api_user_id', '=', apiUserId)
    .where('status', '=', 'in_progress')
    .where('url_expires_at', '>', toIso(nowMs))
    .limit(MAX_IN_PROGRESS)
    .execute();
  if (open.length < MAX_IN_PROGRESS) return;
  throw new ApiError(
    'invalid_parameter',
    `There are ${MAX_IN_PROGRESS} onboardings in progress already, which is the limit: use the links there are`,
  );
}

/** Three months on; where that month is shorter, its last day. */
function linkExpiry(nowMs: number): string {
  const at = new Date(nowMs);
  const day = at.getUTCDate();
  at.setUTCMonth(at.getUTCMonth() + LINK_MONTHS);
  if (at.getUTCDate() !== day) at.setUTCDate(0);
  return toIso(at.getTime());
}

async function createInstitution(tx: Tx, name: string, apiUserId: number): Promise<number> {
  const base = subdomainFor(name);
  for (let number = 1; ; number += 1) {
    const suffix = number > MAX_NUMBERED ? `-${randomBytes(4).toString('hex')}` : number > 1 ? `-${number}` : '';
    const row = await tx
      .insertInto('institution')
      .values({ name, subdomain: base + suffix })
      .onConflict((conflict) => conflict.column('subdomain').doNothing())
      .returning('id')
      .executeTakeFirst();
    if (!row) continue;
    await tx.insertInto('api_user_institution').values({ api_user_id: apiUserId, institution_id: row.id }).execute();
    return row.id;
  }
}

/** `Zoë’s Dental, P.C.` is `zoes-dental-p-c`; a name without a Latin letter or digit is `practice`. */
export function subdomainFor(name: string): string {
  const letters = name
    .normalize('NFKD')
    .replace(/[\p{M}'’]/gu, '')
    .toLowerCase();
  const words = letters
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, MAX_SUBDOMAIN_LENGTH)
    .replace(/^-+|-+$/g, '');
  return words === '' ? 'practice' : words;
}
