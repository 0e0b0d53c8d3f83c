/** NexHealth's envelope: five keys in v2, and `page_info` beside them otherwise. */
import { type ApiError, ERRORS } from '../errors.ts';
import type { Version } from '../views/version.ts';
import type { Answer, PageInfo } from './route.ts';

export interface Envelope {
  code: boolean;
  description: string | null;
  error: string[];
  data: unknown;
  count: number | null;
  page_info?: PageInfo;
}

/** A list that fits on its one page. */
const ONE_PAGE: PageInfo = { has_previous_page: false, has_next_page: false, start_cursor: null, end_cursor: null };

/**
 * `unknown` are parameters nobody asked for: v2 tells of them in `error` (with code true), later versions in
 * `description`; no version fails on them.
 */
export function wrap(version: Version, answer: Answer, unknown: string[]): Envelope {
  const ignored = [...unknown, ...(answer.ignored ?? [])];
  const note = ignored.length === 0 ? null : `Note that following parameters are ignored: ${ignored.join(', ')}.`;
  const count = answer.count === undefined && Array.isArray(answer.data) ? answer.data.length : (answer.count ?? null);
  const envelope: Envelope = {
    code: true,
    description: answer.description ?? (version === 'v2' ? null : note),
    error: version === 'v2' && note !== null ? [note] : [],
    data: answer.data,
    count,
  };
  if (version !== 'v2') envelope.page_info = answer.pageInfo ?? ONE_PAGE;
  return envelope;
}

export function wrapError(version: Version, error: ApiError): Envelope {
  const envelope: Envelope = {
    code: false,
    description: ERRORS[error.code].next,
    error: error.messages,
    data: null,
    count: null,
  };
  if (version !== 'v2') envelope.page_info = ONE_PAGE;
  return envelope;
}
