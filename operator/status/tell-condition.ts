import type { Logger } from "@heauth/program";
import { type ResourceKey, resourceName } from "../source/source.ts";
import type { Condition } from "./condition.ts";

/** Conditions that say that something is wrong when they are true. */
const BAD_WHEN_TRUE: ReadonlySet<Condition["type"]> = new Set(["Conflicted"]);

/** Whether all is as it should be, as far as this condition goes. To be paused is somebody's wish. */
export function isGood({ type, status }: Condition): boolean {
  if (type === "Paused") return true;
  return status === (BAD_WHEN_TRUE.has(type) ? "False" : "True");
}

/** Logs a condition that has changed: as a warning where something is not as it should be. */
export function tellCondition(log: Logger, key: ResourceKey, condition: Condition): void {
  const { type, status, reason, message } = condition;
  const line = { resource: resourceName(key), condition: type, status, reason };
  const text = message === "" ? `${type} is ${status}` : message;
  if (isGood(condition)) log.info(line, text);
  else log.warn(line, text);
}
