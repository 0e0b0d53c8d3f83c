/**
 * Lists that a FHIR server gives page by page (R4, http.html#paging): searches, and what has been deleted of a type.
 * Pages are followed by the server's own `next` links, and only to where our credentials already go.
 */
import { HrsNonsense } from '../connector.ts';
import type { HrsResponse } from '../http.ts';
import { getResource, type Resource, throwUnlessRead } from './answer.ts';
import { instantMs, type Json, object, objects, text } from './fields.ts';

export type SearchParams = [name: string, value: string][];

export interface Page {
  /** Rows not yet given in this version, in the server's order. */
  resources: Resource[];
  /** True on the last page, and only when nothing speaks against having seen every row. */
  isComplete: boolean;
}

/** One GET. */
type Ask = (url: string) => Promise<HrsResponse>;

/** Servers cap this as they like; the answer's own links decide. */
const PAGE_SIZE = 200;

/** Two million rows. A server that still offers a next page is taken to be going round in circles. */
const MAX_PAGES = 10_000;

/** Rows that move while paging by offset can hide others; they show up on reading again. */
const MAX_READINGS = 3;

const MAX_LINK_LENGTH = 8_192;

/** Reads a search to its end, and again when rows are missing from its total. */
export async function* searchPages(
  ask: Ask,
  baseUrl: string,
  type: string,
  params: SearchParams,
): AsyncGenerator<Page> {
  const query = new URLSearchParams([...params, ['_count', String(PAGE_SIZE)], ['_total', 'accurate']]);
  const isNew = newerOnly();
  for (let reading = 1; ; reading++) {
    let total = 0;
    for await (const { bundle, isLast: isEnd } of bundles(ask, `${baseUrl}/${type}?${query}`, type, 'searchset')) {
      total = Math.max(total, totalOf(bundle));
      const resources = matchesOf(bundle, type).filter(isNew.test);
      const isLast = isEnd && (total <= isNew.count() || reading === MAX_READINGS);
      if (isLast || resources.length > 0) yield { resources, isComplete: isLast && total <= isNew.count() };
      if (isLast) return;
    }
  }
}

/** Ids of what was deleted of a type since then, by its history; some of them may have been made anew. */
export async function* deletedPages(
  ask: Ask,
  baseUrl: string,
  type: string,
  sinceMs: number,
): AsyncGenerator<string[]> {
  const query = new URLSearchParams({ _since: new Date(sinceMs).toISOString(), _count: String(PAGE_SIZE) });
  for await (const { bundle } of bundles(ask, `${baseUrl}/${type}/_history?${query}`, type, 'history')) {
    yield entriesOf(bundle).flatMap((entry) => {
      const { method, url } = object(object(entry).request);
      const id = new RegExp(`(?:^|/)${type}/([A-Za-z0-9.-]{1,64})(?:/|$)`).exec(text(url) ?? '')?.[1];
      return method === 'DELETE' && id !== undefined ? [id] : [];
    });
  }
}

async function* bundles(
  ask: Ask,
  from: string,
  type: string,
  bundleType: 'searchset' | 'history',
): AsyncGenerator<{ bundle: Json; isLast: boolean }> {
  const visited = new Set<string>();
  for (let at: string | null = from; at !== null; ) {
    if (visited.has(at) || visited.size === MAX_PAGES) throw new HrsNonsense(`paging of ${type} never ends`);
    visited.add(at);
    const response = await ask(at);
    throwUnlessRead(response, `searching ${type}`);
    const bundle = object(response.json);
    if (bundle.resourceType !== 'Bundle' || bundle.type !== bundleType) {
      throw new HrsNonsense(`no ${bundleType} Bundle`);
    }
    at = nextOf(bundle, at);
    yield { bundle, isLast: at === null };
  }
}

/** The page after this one, if there is one; only on the server itself. */
function nextOf({ link: links }: Json, current: string): string | null {
  const link = objects(links).find(({ relation }) => relation === 'next');
  if (link === undefined) return null;
  if (typeof link.url !== 'string') throw new HrsNonsense('next link without a URL');
  const url = link.url.length > MAX_LINK_LENGTH ? null : URL.parse(link.url, current);
  if (url === null || url.origin !== new URL(current).origin) throw new HrsNonsense('next link leaves the server');
  return url.href;
}

function entriesOf({ entry = [] }: Json): unknown[] {
  if (!Array.isArray(entry)) throw new HrsNonsense('entry is no list');
  return entry;
}

function totalOf({ total = 0 }: Json): number {
  if (typeof total !== 'number' || total < 0) throw new HrsNonsense('total is no count');
  return total;
}

/** Included rows are left out; rows of another type, and errors told as entries, make the whole page unusable. */
function matchesOf(bundle: Json, type: string): Resource[] {
  const resources: Resource[] = [];
  for (const item of entriesOf(bundle)) {
    const mode = object(object(item).search).mode ?? 'match';
    const resource = object(item).resource;
    if (mode === 'include') continue;
    if (object(resource).resourceType === 'OperationOutcome') {
      const severities = objects(object(resource).issue).map((issue) => issue.severity);
      if (severities.some((severity) => severity !== 'information' && severity !== 'warning')) {
        throw new HrsNonsense('the search result tells of an error');
      }
      continue;
    }
    resources.push(getResource(resource, type));
  }
  return resources;
}

/** Lets each version of a row through once, and none that is older than one before. */
function newerOnly(): { test(resource: Resource): boolean; count(): number } {
  const latest = new Map<string, { version: string; changedMs: number }>();
  return {
    test(resource) {
      const { versionId, lastUpdated } = object(resource.meta);
      const version = text(versionId) ?? JSON.stringify(resource);
      const changedMs = instantMs(lastUpdated) ?? Number.NEGATIVE_INFINITY;
      const known = latest.get(resource.id);
      if (known !== undefined && (known.version === version || changedMs < known.changedMs)) return false;
      latest.set(resource.id, { version, changedMs });
      return true;
    },
    count: () => latest.size,
  };
}
