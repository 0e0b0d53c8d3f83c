/** `/events`: everything that happened in an institution, in order and without gaps, for whoever would rather ask. */
import { z } from 'zod';
import { ApiError } from '../../errors.ts';
import { findEvents } from '../../webhooks/event.ts';
import { getInstitution, inInstitution } from '../context.ts';
import { integer, optional } from '../parameters.ts';
import { defineRoute, type Route } from '../route.ts';

const DEFAULT_PER_PAGE = 100;
const MAX_PER_PAGE = 1_000;

const eventShape = z
  .object({
    id: z.uuid(),
    position: z.int(),
    event_name: z.string(),
    resource_type: z.string(),
    resource_id: z.int(),
    sequence: z.int(),
    event_time: z.iso.datetime(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'Event' });

const position = () => optional(integer(0, Number.MAX_SAFE_INTEGER));

export const routes: Route[] = [
  defineRoute({
    method: 'GET',
    path: '/events',
    summary: 'Read the event log, oldest first; `after` is the position of the last event you have',
    tag: 'Events',
    subdomain: 'required',
    // `end_cursor` says the same as `after`, for clients that page by `page_info`.
    params: z.object({
      after: position(),
      end_cursor: position(),
      per_page: optional(integer(1, MAX_PER_PAGE)).meta({ default: DEFAULT_PER_PAGE }),
    }),
    answer: z.array(eventShape),
    paged: true,
    async handler(context, params) {
      const after = params.after ?? params.end_cursor ?? 0;
      const perPage = params.per_page ?? DEFAULT_PER_PAGE;
      const found = await inInstitution(context, (tx) =>
        findEvents(tx, getInstitution(context).id, after, perPage + 1, context.version),
      );
      // Positions have no gaps, so a reader who finds one has been away for longer than events are kept.
      const first = found[0]?.position ?? after + 1;
      if (after > 0 && first > after + 1) {
        throw new ApiError(
          'invalid_parameter',
          `Invalid parameter after: events up to ${first - 1} are no longer kept; read the lists again and go on from there`,
        );
      }
      const events = found.slice(0, perPage);
      return {
        data: events.map((event) => ({ ...event, data: JSON.parse(event.data) })),
        pageInfo: {
          has_previous_page: after > 0,
          has_next_page: found.length > perPage,
          start_cursor: null,
          // An empty page leads on from where it was asked for: a poller can always keep it.
          end_cursor: String(events.at(-1)?.position ?? after),
        },
      };
    },
  }),
];
