import { setTimeout as pause } from "node:timers/promises";

const attemptsMax = 6;
const firstPauseMs = 100;

/**
 * Saves what exists nowhere else, such as tokens a bank has just issued: a database that is restarting is waited for, some six
 * seconds in all. The last failure is passed on. `save` must be harmless to repeat.
 */
export async function savePatiently<T>(save: () => Promise<T>, isFinal: (error: unknown) => boolean): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await save();
    } catch (error) {
      if (attempt === attemptsMax || isFinal(error)) throw error;
      await pause(firstPauseMs * 2 ** (attempt - 1));
    }
  }
}
