/**
 * The two names of stored hours. A path takes its own wrapper and answers its own shape, whichever version the
 * request asks for: clients send v2's paths under v3.0.0's headers, and read what the path has always answered.
 */
import { availabilityShape, viewAvailability, viewWorkingHour, workingHourShape } from '../../views/availability.ts';

export interface Face {
  path: '/availabilities' | '/working_hours';
  tag: string;
  /** The key of a body, under which its fields stand. */
  wrapper: 'availability' | 'working_hour';
  shape: typeof availabilityShape | typeof workingHourShape;
  view: typeof viewAvailability | typeof viewWorkingHour;
}

export const FACES: Face[] = [
  {
    path: '/availabilities',
    tag: 'Availabilities',
    wrapper: 'availability',
    shape: availabilityShape,
    view: viewAvailability,
  },
  {
    path: '/working_hours',
    tag: 'Working hours',
    wrapper: 'working_hour',
    shape: workingHourShape,
    view: viewWorkingHour,
  },
];
