import type { Route } from '../route.ts';
import { deliveryRoutes } from './deliveries.ts';
import { endpointRoutes } from './endpoints.ts';
import { subscriptionRoutes } from './subscriptions.ts';

export const routes: Route[] = [...endpointRoutes, ...subscriptionRoutes, ...deliveryRoutes];
