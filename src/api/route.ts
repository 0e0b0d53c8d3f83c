/**
 * A route is data: what it takes, what it answers, and the function between. The server, the OpenAPI documents
 * and the tests that walk every route all read the same table.
 */
import type { z } from 'zod';
import type { Version } from '../views/version.ts';
import type { Context } from './context.ts';

export interface PageInfo {
  has_previous_page: boolean;
  has_next_page: boolean;
  start_cursor: string | null;
  end_cursor: string | null;
}

/** What a handler gives back; `envelope.ts` wraps it. */
export interface Answer {
  status?: number;
  data: unknown;
  /** Total matches, not the length of this page; null on a page that a cursor led to. */
  count?: number | null;
  pageInfo?: PageInfo;
  description?: string;
  /** Parameters of the query that were passed over after all; told like those that nobody knows. */
  ignored?: string[];
}

export interface Route<P extends z.ZodObject = z.ZodObject> {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** With `:id` places. */
  path: string;
  /** One line for the API documentation. */
  summary: string;
  tag: string;
  /** Which institution is meant: by `subdomain`, which is then required or optional, or not at all. */
  subdomain: 'required' | 'optional' | 'none';
  /** `public`: no key needed. `admin`: only keys of administrators. */
  access?: 'public' | 'admin';
  /** Path, query and body in one: real clients put `subdomain` and `location_id` in either. */
  params: P;
  /** Names of `params` that stand in the body. */
  body?: (keyof P['shape'] & string)[];
  /** Names of `params` in the query that v3.0.0 no longer knows: it passes them over like any unknown one. */
  onlyV2?: (keyof P['shape'] & string)[];
  /** The request itself is the message: a body of any type is let pass and not looked at. */
  ignoresBody?: boolean;
  /** A body of any type is let pass and handed over as it is, in `context.call`. */
  takesAnyBody?: boolean;
  /** Shape of `data` on success, for the documents and the tests; nothing is parsed with it at run time. */
  answer: z.ZodType | ((version: Version) => z.ZodType);
  /** Statuses a success can have. Default 200. */
  statuses?: number[];
  /** Statuses of refusals that do not follow from the rest of this description. */
  refusals?: number[];
  /** Carries `page_info` outside v2. */
  paged?: boolean;
  /** An `Idempotency-Key` on this route is honoured; see idempotency.ts. */
  idempotent?: boolean;
  handler: (context: Context, params: z.output<P>) => Promise<Answer>;
}

/** Keeps the parameter types of one route while the table holds routes of every shape. */
export function defineRoute<P extends z.ZodObject>(route: Route<P>): Route {
  return route as unknown as Route;
}
