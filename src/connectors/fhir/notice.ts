/**
 * Calls of a FHIR server to our address (R4, subscription.html, rest-hook). What such a call brings is never taken for
 * the state of a record: it names records, which are then read.
 *
 * Understood are the record itself, the Bundle that names records (R5 backport, id-only or full), Medplum's header for
 * a deletion, and a call without content, which says that something has changed.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { type StoredMessage, Unavailable, type WireMessage } from '../connector.ts';
import type { FhirClient, Resource } from './client.ts';
import type { FhirConfig } from './config.ts';
import { isObject, type Json, object, objects, referenceTarget, text } from './fields.ts';
import { blockForeignId } from './slots.ts';

/** Of which types we want to hear. */
const NOTICED_TYPES = ['Appointment', 'Slot', 'Patient'];

/** Medplum's own: it signs its calls with the secret, and says in a header what was deleted. */
const SECRET_EXTENSION = 'https://www.medplum.com/fhir/StructureDefinition/subscription-secret';
const DELETED_HEADER = 'x-medplum-deleted-resource';
const SIGNATURE_HEADER = 'x-signature';

/** A call that says no version of anything is taken for a repetition when the same came within this time. */
const REPETITION_MS = 60_000;

/** Names of one call that are looked at; a Bundle of changes seldom has more than one. */
const MAX_NAMES = 1_000;

export interface Noticed {
  type: string;
  id: string;
  /** Only looking tells whether it still exists. */
  mayBeGone: boolean;
}

/** See `ConnectorKind.notice`. */
export function noticeOf(
  { baseUrl, subscriptionSecret }: Pick<FhirConfig, 'baseUrl' | 'subscriptionSecret'>,
  { headers, body }: { headers: Record<string, string>; body: Buffer },
): WireMessage | null | 'refused' {
  if (subscriptionSecret !== undefined && !isSigned(body, headers[SIGNATURE_HEADER] ?? '', subscriptionSecret)) {
    return 'refused';
  }
  const deleted = nameOf({ reference: headers[DELETED_HEADER] }, baseUrl);
  // The header is not kept with the message, so the deletion becomes its content.
  const content = deleted === null ? body : deletionOf(deleted);
  const names = namesIn(content, baseUrl);
  const [first] = names;
  if (first === undefined) return null;
  const isVersioned = text(object(object(parse(content)).meta).versionId) !== null;
  const moment = isVersioned ? '' : String(Math.floor(Date.now() / REPETITION_MS));
  const isAboutPatient = first.type === 'Patient';
  return {
    body: content,
    digest: createHash('sha256').update(content).update(moment).digest(),
    controlId: null,
    type: first.type + (deleted === null ? '' : ' deleted'),
    appointmentRef: isAboutPatient ? null : first.type === 'Slot' ? blockForeignId(first.id) : first.id,
    patientRef: isAboutPatient ? first.id : null,
    sentAt: null,
  };
}

/** What a kept call names. */
export function noticedIn({ body }: Pick<StoredMessage, 'body'>, baseUrl: string): Noticed[] {
  return namesIn(body, baseUrl);
}

/**
 * Has the server call `url` when one of these changes: one Subscription for each type, made once. An earlier one of
 * ours is known by its path, which is the same whatever the address of this program was.
 */
export async function subscribe(
  client: FhirClient,
  { subscriptionSecret }: Pick<FhirConfig, 'subscriptionSecret'>,
  url: string,
  signal: AbortSignal,
): Promise<void> {
  if (!(await client.abilities(signal)).subscriptions) return;
  const kept = await client.searchAll('Subscription', [['type', 'rest-hook']], signal);
  const ours = kept.filter((one) => isSamePath(text(object(one.channel).endpoint), url));
  for (const type of NOTICED_TYPES) {
    if (!(await client.serves(type, signal))) continue;
    const [known, ...copies] = ours.filter((one) => typeOf(one) === type).sort((a, b) => (a.id < b.id ? -1 : 1));
    const wanted = subscriptionTo(type, url, subscriptionSecret);
    if (known === undefined) await settled(client.create(wanted, null, signal), type);
    else if (!isSame(known, wanted)) await settled(client.update({ ...wanted, id: known.id }, null, signal), type);
    for (const copy of copies) {
      if (copy.status !== 'off') await settled(client.update({ ...copy, status: 'off' }, null, signal), type);
    }
  }
}

async function settled(answer: ReturnType<FhirClient['create']>, type: string): Promise<void> {
  const { kind } = await answer;
  if (kind !== 'stored') throw new Unavailable(`the HRS does not take our subscription to ${type} (${kind})`);
}

function subscriptionTo(type: string, url: string, secret: string | undefined): Json & { resourceType: string } {
  return {
    resourceType: 'Subscription',
    status: 'requested',
    reason: 'Openchair reads what has changed',
    criteria: `${type}?`,
    channel: { type: 'rest-hook', endpoint: url, payload: 'application/fhir+json' },
    ...(secret === undefined ? {} : { extension: [{ url: SECRET_EXTENSION, valueString: secret }] }),
  };
}

/** One that the server has turned off, or given up after errors, is asked for anew. */
function isSame(known: Resource, wanted: Json): boolean {
  const secretOf = (one: Json) => objects(one.extension).find((extension) => extension.url === SECRET_EXTENSION);
  return (
    (known.status === 'active' || known.status === 'requested') &&
    object(known.channel).endpoint === object(wanted.channel).endpoint &&
    object(secretOf(known)).valueString === object(secretOf(wanted)).valueString
  );
}

function typeOf({ criteria }: Resource): string | undefined {
  return /^([A-Za-z]+)(\?|$)/.exec(text(criteria) ?? '')?.[1];
}

function isSamePath(endpoint: string | null, url: string): boolean {
  return endpoint !== null && URL.parse(endpoint)?.pathname === URL.parse(url)?.pathname;
}

function isSigned(body: Buffer, signature: string, secret: string): boolean {
  const expected = createHmac('sha256', secret).update(body).digest();
  const given = Buffer.from(/^(?:sha256=)?([0-9a-f]{64})$/i.exec(signature)?.[1] ?? '', 'hex');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return null;
  }
}

/** A Bundle as servers tell of deletions in it. */
function deletionOf({ type, id }: { type: string; id: string }): Buffer {
  const request = { method: 'DELETE', url: `${type}/${id}` };
  return Buffer.from(JSON.stringify({ resourceType: 'Bundle', type: 'history', entry: [{ request }] }));
}

/** Without repetitions; nothing readable names nothing. */
function namesIn(body: Buffer, baseUrl: string): Noticed[] {
  const json = parse(body);
  if (!isObject(json)) return [];
  const isBundle = json.resourceType === 'Bundle';
  const told = isBundle ? objects(json.entry).flatMap((entry) => namesInEntry(entry, baseUrl)) : [existing(json)];
  const names = new Map<string, Noticed>();
  for (const name of told) {
    if (name === null || names.size === MAX_NAMES) continue;
    const key = `${name.type}/${name.id}`;
    names.set(key, { ...name, mayBeGone: name.mayBeGone || names.get(key)?.mayBeGone === true });
  }
  return [...names.values()];
}

/** An entry has the record, or a request about it, or is the status that lists records as the event's focus. */
function namesInEntry({ resource, fullUrl, request }: Json, baseUrl: string): (Noticed | null)[] {
  const status = object(resource);
  if (status.resourceType === 'SubscriptionStatus' || status.resourceType === 'Parameters') {
    return focusesIn(status).map((focus) => nameOf(focus, baseUrl));
  }
  if (isObject(resource)) return [existing(resource)];
  // Of a record that was just made, the request names only the type.
  return [nameOf({ reference: object(request).url }, baseUrl) ?? nameOf({ reference: fullUrl }, baseUrl)];
}

/** R5 lists them in `notificationEvent`; the backport to R4 in nested parameters of that name. */
function focusesIn(status: Json): unknown[] {
  const inEvents = objects(status.notificationEvent).map(({ focus }) => focus);
  const parts = objects(status.parameter).flatMap(({ part }) => objects(part));
  return [...inEvents, ...parts.filter(({ name }) => name === 'focus').map(({ valueReference }) => valueReference)];
}

function existing(resource: Json): Noticed | null {
  const { resourceType, id } = resource;
  const name = typeof id === 'string' ? nameOf({ reference: `${resourceType}/${id}` }, '') : null;
  return name && { ...name, mayBeGone: false };
}

function nameOf(reference: unknown, baseUrl: string): Noticed | null {
  const target = referenceTarget(reference, baseUrl.replace(/\/+$/, ''));
  return target !== null && NOTICED_TYPES.includes(target.type) ? { ...target, mayBeGone: true } : null;
}
