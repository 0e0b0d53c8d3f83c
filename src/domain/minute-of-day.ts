/** Wall-clock times of a day as minutes since its midnight; 1440 is the end of the day. */

const TIME = /^(\d{1,2}):([0-5]\d)$/;

/** `9:00` and `09:00` are 540, `24:00` is 1440. Null for what is not a time of day. */
export function parseMinuteOfDay(text: string): number | null {
  const found = TIME.exec(text);
  if (!found) return null;
  const minute = Number(found[1]) * 60 + Number(found[2]);
  return minute <= 1440 ? minute : null;
}

/** `09:00`; the end of the day is `24:00`. */
export function minuteOfDayText(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
}
