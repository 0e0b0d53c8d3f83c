/** `/onboardings`, as NexHealth has it: links by which the staff of a practice connect it themselves. */
import { z } from 'zod';
import { ApiError, notFound } from '../../errors.ts';
import { forAll, type Tx } from '../../store/database.ts';
import { selectOnboardings } from '../../store/onboardings.ts';
import { onboardingShape, viewOnboarding } from '../../views/onboarding.ts';
import type { Context } from '../context.ts';
import { fetchPage, type OrderColumn, pageParams } from '../pagination.ts';
import { oneOf, optional, requiredText, text } from '../parameters.ts';
import { defineRoute, type Route } from '../route.ts';
import { orderBy, sortParam } from '../sorting.ts';
import { createOnboarding } from './creating.ts';
import { EMR_NAMES } from './emr-names.ts';

const MAX_HASHID_LENGTH = 100;

type Row = Awaited<ReturnType<ReturnType<typeof ownOnboardings>['executeTakeFirstOrThrow']>>;

const SORT: Record<string, OrderColumn<Row>> = {
  created_at: { column: 'onboarding.created_at', type: 'timestamptz', value: (row) => row.created_at },
  status: { column: 'onboarding.status', type: 'text', value: (row) => row.status },
  subdomain: { column: 'onboarding.subdomain', type: 'text', value: (row) => row.subdomain },
};
const BY_ID: OrderColumn<Row> = { column: 'onboarding.id', type: 'bigint', value: (row) => row.id };

/** Those that the caller has made, of institutions that it still reaches. */
function ownOnboardings(tx: Tx, { caller, nowMs }: Pick<Context, 'caller' | 'nowMs'>) {
  return selectOnboardings(tx, nowMs)
    .where('onboarding.api_user_id', '=', caller.apiUserId)
    .where((row) =>
      row.exists(
        row
          .selectFrom('api_user_institution as reach')
          .select('reach.institution_id')
          .where('reach.api_user_id', '=', caller.apiUserId)
          .whereRef('reach.institution_id', '=', 'onboarding.institution_id'),
      ),
    );
}

async function getOnboarding(tx: Tx, context: Context, hashid: string) {
  const row = await ownOnboardings(tx, context).where('onboarding.hashid', '=', hashid).executeTakeFirst();
  if (!row) throw notFound();
  return viewOnboarding(row);
}

export const routes: Route[] = [
  defineRoute({
    method: 'GET',
    path: '/onboardings',
    summary: 'List your onboardings, newest first',
    tag: 'Onboardings',
    subdomain: 'optional',
    params: z.object({
      status: optional(oneOf(['in_progress', 'complete', 'failed'])),
      sort: sortParam(Object.keys(SORT)),
      ...pageParams,
    }),
    answer: z.array(onboardingShape),
    paged: true,
    async handler(context, params) {
      return forAll(context.services.db, async (tx) => {
        let query = ownOnboardings(tx, context);
        if (context.institution) query = query.where('onboarding.institution_id', '=', context.institution.id);
        if (params.status !== undefined) query = query.where('onboarding.status', '=', params.status);
        const page = await fetchPage<Row>(context, query, params, orderBy(params.sort ?? '-created_at', SORT, BY_ID));
        return { data: page.rows.map(viewOnboarding), count: page.count, pageInfo: page.pageInfo };
      });
    },
  }),

  defineRoute({
    method: 'POST',
    path: '/onboardings',
    summary: 'Make a link by which the staff of a practice connect their health record system',
    tag: 'Onboardings',
    subdomain: 'none',
    params: z.object({
      onboarding: z.object({
        institution_name: optional(requiredText(200)),
        institution_zip_code: optional(text(20)),
        institution_website: optional(text(2_048)),
        institution_email: optional(text(320)),
        subdomain: optional(text(63)),
        emr_name: optional(oneOf(EMR_NAMES)),
      }),
    }),
    body: ['onboarding'],
    answer: onboardingShape,
    statuses: [201],
    async handler(context, { onboarding: asked }) {
      const { services, caller, nowMs } = context;
      const data = await forAll(services.db, async (tx) => {
        const made = await createOnboarding(
          tx,
          {
            apiUserId: caller.apiUserId,
            institution: institutionOf(context, asked),
            emrName: asked.emr_name ?? null,
            baseUrl: services.baseUrl(),
          },
          nowMs,
        );
        if (made.deliveries > 0) context.afterCommit.push(() => services.wakeups.wake('deliveries'));
        return getOnboarding(tx, context, made.hashid);
      });
      return { status: 201, data };
    },
  }),

  defineRoute({
    method: 'GET',
    path: '/onboardings/:hashid',
    summary: 'Show one onboarding',
    tag: 'Onboardings',
    subdomain: 'none',
    params: z.object({ hashid: text(MAX_HASHID_LENGTH) }),
    answer: onboardingShape,
    async handler(context, { hashid }) {
      return { data: await forAll(context.services.db, (tx) => getOnboarding(tx, context, hashid)) };
    },
  }),
];

/** A subdomain wins over a name, as at NexHealth; what else describes a new institution has no place here. */
function institutionOf(
  { caller }: Context,
  asked: { subdomain?: string | undefined; institution_name?: string | undefined },
): { id: number } | { name: string } {
  if (asked.subdomain !== undefined) {
    const found = caller.institutions.find((one) => one.subdomain === asked.subdomain);
    if (!found) throw notFound();
    return found;
  }
  if (asked.institution_name !== undefined) return { name: asked.institution_name };
  throw new ApiError('missing_parameter', 'Missing parameter onboarding[institution_name]');
}
