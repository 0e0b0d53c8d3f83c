/** Every route there is. Its order is the order of the API's documents. */
import { routes as admin } from './admin/routes.ts';
import { routes as appointmentSlots } from './appointment-slots/routes.ts';
import { routes as appointmentTypes } from './appointment-types/routes.ts';
import { routes as appointments } from './appointments/routes.ts';
import { routes as authenticates } from './authenticates/routes.ts';
import { routes as availabilities } from './availabilities/routes.ts';
import { routes as descriptors } from './descriptors/routes.ts';
import { routes as events } from './events/routes.ts';
import { routes as institutions } from './institutions/routes.ts';
import { routes as locations } from './locations/routes.ts';
import { routes as operatories } from './operatories/routes.ts';
import { routes as patients } from './patients/routes.ts';
import { routes as providers } from './providers/routes.ts';
import { routes as push } from './push/routes.ts';
import type { Route } from './route.ts';
import { routes as syncStatus } from './sync-status/routes.ts';
import { routes as webhooks } from './webhooks/routes.ts';

export const routes: Route[] = [
  ...authenticates,
  ...institutions,
  ...locations,
  ...providers,
  ...operatories,
  ...patients,
  ...appointmentTypes,
  ...descriptors,
  ...availabilities,
  ...appointmentSlots,
  ...appointments,
  ...syncStatus,
  ...webhooks,
  ...events,
  ...push,
  ...admin,
];
