/**
 * The few requests of CalDAV and CardDAV (RFC 4791, 6352, 6578) that a calendar and an address book need, each with
 * its answer checked to be what was asked for.
 */
import { XMLParser } from 'fast-xml-parser';
import { type Budget, CursorRejected, HrsNonsense, type Purpose, Unavailable } from '../connector.ts';
import { type HrsRequest, type HrsResponse, hrsRequest } from '../http.ts';
import type { CaldavConfig } from './config.ts';

export type Collection = 'calendar' | 'addressBook';

/** A file in a collection, by its name there. */
export interface Item {
  name: string;
  etag: string;
  /** iCalendar or vCard. */
  data: string;
}

export interface Changes {
  changed: string[];
  gone: string[];
  token: string;
  /** The server gave a part (507): the rest comes after `token`. */
  hasMore: boolean;
}

export interface CaldavClient {
  /** What has changed in a collection since `token`; all of it without one. Throws `CursorRejected`. */
  sync(of: Collection, token: string | null, signal: AbortSignal): Promise<Changes>;
  /** Every name in a collection, asked for in another way than `sync`. */
  names(of: Collection, signal: AbortSignal): Promise<Set<string>>;
  /** These items, each answered for: one that is missing from the result is not there. */
  get(of: Collection, names: readonly string[], signal: AbortSignal): Promise<Map<string, Item>>;
  /** Events that touch a time, instants; events of a series too. */
  eventsAt(startAt: string, endAt: string, signal: AbortSignal): Promise<Item[]>;
  /** Stores an item: a new one, or over the version with this ETag. `conflict` when that is not how it stands. */
  put(
    of: Collection,
    item: { name: string; data: string; etag: string | null },
    signal: AbortSignal,
  ): Promise<'stored' | 'conflict' | { refused: number }>;
  /** What kind of collection stands there, in the server's words. */
  typeOf(of: Collection, signal: AbortSignal): Promise<string[]>;
}

/** Of a card with a picture in it, this many still make an answer that is read in one go. */
const GET_AT_ONCE = 50;

/** The contract allows 4 kB for the whole cursor. */
const MAX_TOKEN_LENGTH = 500;
const MAX_NAME_LENGTH = 255;

const MEDIA = { calendar: 'text/calendar', addressBook: 'text/vcard' } as const;
const DATA = {
  calendar: { report: 'calendar-multiget', space: 'urn:ietf:params:xml:ns:caldav', data: 'calendar-data' },
  addressBook: { report: 'addressbook-multiget', space: 'urn:ietf:params:xml:ns:carddav', data: 'address-data' },
} as const;

const parser = new XMLParser({
  removeNSPrefix: true,
  ignoreAttributes: true,
  parseTagValue: false,
  // Numbered entities come as such; a document type, which could define others, is refused before.
  htmlEntities: true,
  isArray: (name) => name === 'response' || name === 'propstat',
});

/** `purpose` is what the calls made through it are for. */
export function caldavClient(config: CaldavConfig, budget: Budget, purpose: Purpose): CaldavClient {
  const urls = { calendar: new URL(config.calendarUrl), addressBook: new URL(config.addressBookUrl) };
  const authorization = `Basic ${Buffer.from(`${config.username}:${config.password}`).toString('base64')}`;

  async function send(
    of: Collection,
    request: Pick<HrsRequest, 'method' | 'isWrite' | 'signal'> & { name?: string; text: string; type: string },
    headers: Record<string, string>,
  ): Promise<HrsResponse> {
    await budget.spend(purpose);
    const response = await hrsRequest({
      method: request.method,
      url: urls[of].href + (request.name === undefined ? '' : encodeURIComponent(request.name)),
      headers: { authorization, 'content-type': `${request.type}; charset=utf-8`, ...headers },
      text: request.text,
      answer: 'xml',
      isWrite: request.isWrite,
      timeoutMs: config.requestTimeoutMs,
      signal: request.signal,
    });
    if (response.status === 401) throw new Unavailable('the calendar server refuses our credentials (401)');
    return response;
  }

  async function ask(
    of: Collection,
    method: 'PROPFIND' | 'REPORT',
    depth: '0' | '1',
    text: string,
    signal: AbortSignal,
  ): Promise<HrsResponse> {
    const body = `<?xml version="1.0" encoding="utf-8"?>${text}`;
    return send(of, { method, isWrite: false, signal, text: body, type: 'application/xml' }, { depth });
  }

  /** The rows of a 207; anything else says nothing about what is there. */
  function rowsOf(of: Collection, response: HrsResponse): { multistatus: Xml; rows: Row[] } {
    if (response.status === 403) throw new Unavailable('the calendar server does not let us read (403)');
    const told = response.status === 207 ? readXml(response.xml).multistatus : undefined;
    // One without rows is parsed as an empty text.
    const multistatus = told === '' ? {} : told;
    if (!isXml(multistatus)) {
      const what = response.status === 404 ? 'nothing is at that address' : 'that is no answer of a calendar server';
      throw new HrsNonsense(`${what} (${response.status})`);
    }
    return { multistatus, rows: asList(multistatus.response).map((row) => readRow(row, urls[of])) };
  }

  function itemsOf(of: Collection, rows: readonly Row[]): Item[] {
    return rows.flatMap(({ name, status, prop }) => {
      if (status === 404) return [];
      const [etag, data] = [textOf(prop.getetag), textOf(prop[DATA[of].data])];
      if (!name || status !== 200 || !etag || !data) throw new HrsNonsense('the calendar server gave half an item');
      return [{ name, etag, data }];
    });
  }

  async function getSome(of: Collection, names: readonly string[], signal: AbortSignal): Promise<Item[]> {
    const { report, space, data } = DATA[of];
    const hrefs = names.map((name) => `<D:href>${urls[of].pathname}${encodeURIComponent(name)}</D:href>`).join('');
    const query = `<X:${report} xmlns:D="DAV:" xmlns:X="${space}"><D:prop><D:getetag/><X:${data}/></D:prop>${hrefs}</X:${report}>`;
    const { rows } = rowsOf(of, await ask(of, 'REPORT', '1', query, signal));
    const answered = new Set(rows.map(({ name }) => name));
    if (names.some((name) => !answered.has(name)))
      throw new HrsNonsense('the calendar server left out what was asked for');
    return itemsOf(
      of,
      rows.filter(({ name }) => names.includes(name)),
    );
  }

  return {
    async sync(of, token, signal) {
      const query = `<D:sync-collection xmlns:D="DAV:"><D:sync-token>${escapeXml(token ?? '')}</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>`;
      // RFC 6578 wants depth 0; the level says how deep it goes.
      const response = await ask(of, 'REPORT', '0', query, signal);
      if (
        token !== null &&
        [403, 409, 412, 507].includes(response.status) &&
        /valid-sync-token/.test(response.xml ?? '')
      ) {
        throw new CursorRejected('the calendar server no longer knows this sync token');
      }
      const { multistatus, rows } = rowsOf(of, response);
      const next = textOf(multistatus['sync-token']);
      if (!next || next.length > MAX_TOKEN_LENGTH)
        throw new HrsNonsense('the calendar server gave no usable sync token');
      const changes: Changes = { changed: [], gone: [], token: next, hasMore: false };
      for (const { name, status } of rows) {
        if (status === 507) changes.hasMore = true;
        else if (status === 404) changes.gone.push(name);
        else if (status === 200) changes.changed.push(name);
        else throw new HrsNonsense(`the calendar server told of a change with ${status}`);
      }
      if (changes.hasMore && next === token) throw new HrsNonsense('the calendar server never comes to an end');
      const isItem = (name: string) => name !== '';
      return { ...changes, changed: changes.changed.filter(isItem), gone: changes.gone.filter(isItem) };
    },

    async names(of, signal) {
      const query = '<D:propfind xmlns:D="DAV:"><D:prop><D:getetag/></D:prop></D:propfind>';
      const names = new Set(rowsOf(of, await ask(of, 'PROPFIND', '1', query, signal)).rows.map(({ name }) => name));
      // A server that lists a collection lists the collection itself, too.
      if (!names.delete('')) throw new HrsNonsense('the calendar server listed something else');
      return names;
    },

    async get(of, names, signal) {
      const items = new Map<string, Item>();
      for (let from = 0; from < names.length; from += GET_AT_ONCE) {
        for (const item of await getSome(of, names.slice(from, from + GET_AT_ONCE), signal)) items.set(item.name, item);
      }
      return items;
    },

    async eventsAt(startAt, endAt, signal) {
      const range = `<C:time-range start="${basicTime(startAt)}" end="${basicTime(endAt)}"/>`;
      const filter = `<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">${range}</C:comp-filter></C:comp-filter></C:filter>`;
      const query = `<C:calendar-query xmlns:D="DAV:" xmlns:C="${DATA.calendar.space}"><D:prop><D:getetag/><C:calendar-data/></D:prop>${filter}</C:calendar-query>`;
      return itemsOf('calendar', rowsOf('calendar', await ask('calendar', 'REPORT', '1', query, signal)).rows);
    },

    async put(of, { name, data, etag }, signal) {
      const condition: Record<string, string> = etag === null ? { 'if-none-match': '*' } : { 'if-match': etag };
      const put = { method: 'PUT', isWrite: true, signal, name, text: data, type: MEDIA[of] } as const;
      const { status } = await send(of, put, condition);
      if (status < 300) return 'stored';
      return status === 412 ? 'conflict' : { refused: status };
    },

    async typeOf(of, signal) {
      const query = '<D:propfind xmlns:D="DAV:"><D:prop><D:resourcetype/></D:prop></D:propfind>';
      const { rows } = rowsOf(of, await ask(of, 'PROPFIND', '0', query, signal));
      const type = rows.find(({ name }) => name === '')?.prop.resourcetype;
      return isXml(type) ? Object.keys(type) : [];
    },
  };
}

type Xml = Record<string, unknown>;

interface Row {
  /** Within the collection; empty for the collection itself. */
  name: string;
  status: number;
  /** What was asked for and is there. */
  prop: Xml;
}

function readXml(text: string | null): Xml {
  if (text === null || /<!DOCTYPE/i.test(text)) throw new HrsNonsense('the calendar server gave no plain XML');
  try {
    // `true` checks first that it is whole: the parser alone is content with half a document.
    return parser.parse(text, true) as Xml;
  } catch {
    throw new HrsNonsense('the calendar server gave XML that cannot be read');
  }
}

function readRow(row: unknown, collection: URL): Row {
  const { href, status, propstat } = isXml(row) ? row : {};
  const url = URL.parse(textOf(href) ?? '', collection.href);
  const parts = asList(propstat).filter(isXml);
  const found = parts.find((part) => readStatus(part.status) === 200);
  const told = status === undefined ? readStatus(found?.status ?? parts[0]?.status) : readStatus(status);
  if (!url || told === null) throw new HrsNonsense('the calendar server gave a row that cannot be read');
  return { name: nameIn(url, collection), status: told, prop: isXml(found?.prop) ? found.prop : {} };
}

function nameIn(url: URL, collection: URL): string {
  let [path, base] = ['', ''];
  try {
    [path, base] = [decodeURIComponent(url.pathname), decodeURIComponent(collection.pathname)];
  } catch {
    throw new HrsNonsense('the calendar server gave an address that cannot be read');
  }
  if (path === base || `${path}/` === base) return '';
  const name = path.slice(base.length);
  if (!path.startsWith(base) || name.includes('/') || name.length > MAX_NAME_LENGTH) {
    throw new HrsNonsense('the calendar server told of something outside the collection');
  }
  return name;
}

function readStatus(value: unknown): number | null {
  const status = /^HTTP\/[\d.]+ (\d{3})\b/.exec(textOf(value) ?? '')?.[1];
  return status === undefined ? null : Number(status);
}

function isXml(value: unknown): value is Xml {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function escapeXml(text: string): string {
  return text.replace(/[<>&]/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** `20400102T140000Z` */
function basicTime(instant: string): string {
  return `${instant.slice(0, 19).replace(/[-:]/g, '')}Z`;
}
