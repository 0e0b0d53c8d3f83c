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
import { routes as insuranceCoverages } from './insurance-coverages/routes.ts';
import { routes as insurancePlans } from './insurance-plans/routes.ts';
import { routes as locations } from './locations/routes.ts';
import { routes as nexStaff } from './nex-staff/routes.ts';
import { routes as onboardings } from './onboardings/routes.ts';
import { routes as operatories } from './operatories/routes.ts';
import { routes as patientAlerts } from './patient-alerts/routes.ts';
import { routes as patientRecalls } from './patient-recalls/routes.ts';
import { routes as patients } from './patients/routes.ts';
import { routes as providers } from './providers/routes.ts';
import { routes as push } from './push/routes.ts';
import { routes as recallTypes } from './recall-types/routes.ts';
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
  ...patientAlerts,
  ...insuranceCoverages,
  ...insurancePlans,
  ...patientRecalls,
  ...recallTypes,
  ...appointmentTypes,
  ...descriptors,
  ...availabilities,
  ...appointmentSlots,
  ...appointments,
  ...syncStatus,
  ...onboardings,
  ...nexStaff,
  ...webhooks,
  ...events,
  ...push,
  ...admin,
];
