/**
 * `/connect/:hashid`: the page behind an onboarding's link, on which the staff of a practice connect its HRS. Whoever
 * has the link may, so it needs no key and no cookie; it asks, checks with the HRS, connects, and then tells how the
 * first reading goes. What was typed as a secret never comes back.
 */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { sql } from 'kysely';
import { toIso } from '../../clock.ts';
import type { ConnectorKind } from '../../connectors/connector.ts';
import { forAll, type Tx } from '../../store/database.ts';
import { selectOnboardings } from '../../store/onboardings.ts';
import { recordEvents } from '../../webhooks/event.ts';
import { eventOfOnboarding } from '../../webhooks/onboarding.ts';
import { AlreadyConnected, addConnection, checkHrs, findConfigProblems } from '../admin/connecting.ts';
import { findUnstorableText } from '../body.ts';
import type { Services } from '../context.ts';
import { fieldsOf, findTitle, readConfig, textOf } from './fields.ts';
import type { Html } from './html.ts';
import { expiredPage, faultPage, formPage, type Link, readingPage, unknownPage } from './pages.ts';

/** A few addresses and credentials. */
const MAX_FORM_BYTES = 32_768;
/** Each check holds a connection into the practice's network for up to 20 s. */
const MAX_CHECKS = 8;

/** The form works without a script, and nothing else may run: what a practice is called cannot. */
const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

interface Answer {
  status: number;
  page: Html;
}

/** Adds the page to a server that does not listen yet. */
export function addConnectPage(server: FastifyInstance, services: Services): void {
  /** One check at a time for each onboarding, within this process. */
  const checking = new Set<string>();

  const send = (reply: FastifyReply, { status, page }: Answer) =>
    reply
      .code(status)
      .header('content-security-policy', PAGE_POLICY)
      // The address is the secret.
      .header('referrer-policy', 'no-referrer')
      .type('text/html; charset=utf-8')
      .send(page.html);

  server.register(async (scope) => {
    scope.setErrorHandler((error, _request, reply) => {
      const { statusCode = 500, name, code, stack } = error as Error & { statusCode?: number; code?: string };
      if (statusCode >= 500) services.log.error({ name, code, stack }, 'the page of an onboarding failed');
      return send(reply, { status: statusCode, page: faultPage(statusCode) });
    });

    scope.get<{ Params: { hashid: string } }>('/connect/:hashid', async (request, reply) => {
      const link = await findLink(services, request.params.hashid);
      return send(reply, closedPage(link) ?? { status: 200, page: formPage(link as Link, services.connectorKinds) });
    });

    scope.post<{ Params: { hashid: string } }>(
      '/connect/:hashid',
      { bodyLimit: MAX_FORM_BYTES },
      async (request, reply) => {
        const link = await findLink(services, request.params.hashid);
        const answer = closedPage(link) ?? (await connect(services, checking, link as Link, request.body ?? {}));
        if (answer !== null) return send(reply, answer);
        return reply.header('referrer-policy', 'no-referrer').redirect(`/connect/${(link as Link).hashid}`, 303);
      },
    );
  });
}

/** The page of a link that asks for nothing (any more); null when the form is due. */
function closedPage(link: Link | null): Answer | null {
  if (link === null) return { status: 404, page: unknownPage() };
  if (link.isExpired) return { status: 410, page: expiredPage(link) };
  return link.reading === null ? null : { status: 200, page: readingPage(link) };
}

async function findLink({ db, clock }: Services, hashid: string): Promise<Link | null> {
  if (findUnstorableText(hashid) !== null) return null;
  const nowMs = clock.nowMs();
  return forAll(db, async (tx) => {
    const row = await selectOnboardings(tx, nowMs).where('onboarding.hashid', '=', hashid).executeTakeFirst();
    if (!row) return null;
    const { id, institution_name: institutionName, emr_name: emrName, url_expires_at: expiresAt } = row;
    return {
      ...{ id, hashid, institutionName, emrName, expiresAt },
      isExpired: expiresAt <= toIso(nowMs),
      reading: await readProgress(tx, id),
    };
  });
}

/** One statement, because all of it is written in one transaction. Null while there is no connection. */
async function readProgress(tx: Tx, onboardingId: number): Promise<Link['reading']> {
  const count = (table: 'location' | 'provider' | 'patient' | 'appointment') =>
    sql<number>`(select count(*) from ${sql.table(table)} one where one.connection_id = connection.id)`.as(table);
  const row = await tx
    .selectFrom('onboarding')
    .innerJoin('connection', 'connection.id', 'onboarding.connection_id')
    .where('onboarding.id', '=', onboardingId)
    .select(['first_synced_at', 'last_error', 'availability_ready_at'])
    .select([count('location'), count('provider'), count('patient'), count('appointment')])
    .executeTakeFirst();
  if (!row) return null;
  const { location: locations, provider: providers, patient: patients, appointment: appointments } = row;
  return {
    isRead: row.first_synced_at !== null,
    lastError: row.last_error,
    counts: { locations, providers, patients, appointments },
    hasHours: row.availability_ready_at !== null,
  };
}

/** Null when the practice is connected now; else the form again, with what was wrong. */
async function connect(services: Services, checking: Set<string>, link: Link, body: unknown): Promise<Answer | null> {
  const posted = body as Record<string, unknown>;
  const again = (status: number, ...problems: string[]): Answer => ({
    status,
    page: formPage(link, services.connectorKinds, { posted, problems }),
  });
  if (findUnstorableText(posted) !== null) return again(400, 'There is a character in it that cannot be stored.');
  const kind = services.connectorKinds.get(textOf(posted.kind));
  if (!kind) return again(400, 'Choose the system that the practice works with.');
  const fields = fieldsOf(kind.configSchema);
  const config = readConfig(fields, posted[kind.kind]);
  const problems = findConfigProblems(kind, config).map(({ path, message }) => {
    const isMissing = valueAt(config, path) === undefined;
    return `${findTitle(fields, config, path) ?? 'This'} ${isMissing ? 'is needed' : message}.`;
  });
  if (problems.length > 0) return again(400, ...new Set(problems));

  if (checking.has(link.hashid) || checking.size >= MAX_CHECKS) {
    return again(409, 'Another check is under way. Wait a moment, then try again.');
  }
  checking.add(link.hashid);
  try {
    const { ok, message } = await checkHrs(kind, config);
    if (!ok) return again(422, `The system could not be connected. ${message}`);
  } finally {
    checking.delete(link.hashid);
  }
  try {
    await complete(services, link, kind, config);
    return null;
  } catch (error) {
    if (!(error instanceof AlreadyConnected)) throw error;
    return again(409, 'This system is connected already. If that was not you, ask whoever sent you the link.');
  }
}

const valueAt = (value: unknown, path: string[]): unknown =>
  path.reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], value);

/** Stores the connection and its event, unless somebody else with the same link was faster. */
async function complete(services: Services, link: Link, kind: ConnectorKind, config: object): Promise<void> {
  const nowMs = services.clock.nowMs();
  const connectionId = await forAll(services.db, async (tx) => {
    const row = await tx
      .selectFrom('onboarding')
      .select(['institution_id'])
      .where('id', '=', link.id)
      .where('status', '=', 'in_progress')
      .forUpdate()
      .executeTakeFirst();
    if (!row) return null;
    const { institution_id: institutionId } = row;
    const id = await addConnection(tx, services.seal, { institutionId, kind, name: kind.displayName, config });
    await tx
      .updateTable('onboarding')
      .set((onboarding) => ({
        status: 'complete',
        connection_id: id,
        sequence: onboarding('sequence', '+', 1),
        updated_at: toIso(nowMs),
      }))
      .where('id', '=', link.id)
      .execute();
    await recordEvents(tx, institutionId, [await eventOfOnboarding(tx, link.id, 'onboarding_updated', nowMs)]);
    return id;
  });
  if (connectionId === null) return;
  services.log.info({ connection: connectionId, kind: kind.kind }, 'a practice was connected by its link');
  services.wakeups.wake('sync');
  services.wakeups.wake('deliveries');
}
