import { z } from 'zod';
import { notFound } from '../../errors.ts';
import { selectLocations } from '../../store/locations.ts';
import { type LocationWithNames, locationShape, viewLocation } from '../../views/location.ts';
import { emrShape, viewEmr } from '../../views/sync-status.ts';
import { type Context, inReach } from '../context.ts';
import { boolean, id, oneOf, optional, text } from '../parameters.ts';
import { anyOf } from '../references.ts';
import { defineRoute, type Route } from '../route.ts';

/** What NexHealth sells location by location. Here each location has all of it, so the filter never leaves one out. */
const SUBSCRIPTION_FEATURES = [
  'messaging',
  'campaigns',
  'reviews',
  'recalls',
  'reminders',
  'online_booking',
  'waitlist',
  'forms',
  'payments',
  'ledger_sync',
  'enterprise',
  'insurance_verification',
] as const;

const locationShapeV2 = locationShape
  .extend({ appt_types_map_by_operatory: z.literal(false), wlogo: z.null(), weight: z.null() })
  .meta({ id: 'LocationV2' });

/** What v3.1.0 shows beside the location, and what is answered to it here as v3.0.0. */
const locationWithEhrShape = locationShape.extend({ ehr: emrShape.nullable() }).meta({ id: 'LocationWithEhr' });

const shapeFor = (version: Context['version']) => (version === 'v2' ? locationShapeV2 : locationShape);

function viewFor(version: Context['version'], row: LocationWithNames) {
  const view = viewLocation(row);
  return version === 'v2' ? { ...view, appt_types_map_by_operatory: false, wlogo: null, weight: null } : view;
}

export const routes: Route[] = [
  defineRoute({
    method: 'GET',
    path: '/locations',
    summary: 'List the locations that the key reaches, under their institutions.',
    tag: 'Locations',
    subdomain: 'optional',
    params: z.object({
      inactive: optional(boolean()),
      foreign_id: optional(text(255)),
      filter_by_subscription_feature: optional(oneOf(SUBSCRIPTION_FEATURES)),
    }),
    answer: (version) =>
      z.array(
        z.object({
          id: z.int(),
          name: z.string(),
          subdomain: z.string(),
          locations: z.array(shapeFor(version)),
        }),
      ),
    handler: async (context, params) => {
      const rows = await inReach(context, (tx, institutionIds) => {
        let query = selectLocations(tx).where('location.institution_id', '=', anyOf(institutionIds));
        if (params.inactive !== undefined) query = query.where('location.inactive', '=', params.inactive);
        if (params.foreign_id !== undefined) query = query.where('location.foreign_id', '=', params.foreign_id);
        return query.orderBy('location.id').execute();
      });
      const institutions = context.institution ? [context.institution] : context.caller.institutions;
      return {
        data: institutions.map(({ id: institutionId, name, subdomain }) => ({
          id: institutionId,
          name,
          subdomain,
          locations: rows
            .filter((row) => row.institution_id === institutionId)
            .map((row) => viewFor(context.version, row)),
        })),
      };
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/locations/:id',
    summary: 'Show one location.',
    tag: 'Locations',
    subdomain: 'none',
    params: z.object({ id: id() }),
    answer: (version) => (version === 'v2' ? locationShapeV2 : locationWithEhrShape),
    handler: async (context, params) => {
      const row = await inReach(context, (tx, institutionIds) =>
        selectLocations(tx)
          .where('location.id', '=', params.id)
          .where('location.institution_id', '=', anyOf(institutionIds))
          .executeTakeFirst(),
      );
      if (!row) throw notFound();
      const view = viewFor(context.version, row);
      if (context.version === 'v2') return { data: view };
      const { connection_id, connection_kind } = row;
      if (connection_id === null || connection_kind === null) return { data: { ...view, ehr: null } };
      const kind = context.services.connectorKinds.get(connection_kind);
      return { data: { ...view, ehr: viewEmr(connection_id, connection_kind, kind) } };
    },
  }),
];
