import { randomUUID } from "node:crypto";
import type { PinnedKeys } from "@heauth/core/ledger";
import { type ClusterClient, isClusterError } from "@heauth/program/kubernetes";
import { CliError } from "../../errors.ts";
import { checkKeySet, type KeySet, newKeySet } from "../key-set.ts";
import {
  DRAFT,
  filesOf,
  type HolderObject,
  holderObject,
  holderText,
  type KeyHolder,
  type KeyNames,
  keyHolders,
} from "./key-objects.ts";

/** What was done: `there`: nothing, all keys were there; `completed`: what an earlier run had left unfinished. */
export interface KeysOutcome {
  readonly did: "created" | "completed" | "there";
  readonly pinned: PinnedKeys;
}

/**
 * Makes the programs' keys in a namespace, unless they are there. The whole set is first written into one Secret, the draft, and handed
 * out from it; the draft is removed when all have their part. So there is never a second set beside the first, whenever a run is broken
 * off and however many run at once.
 *
 * @throws CliError KeyFile when some are there that no draft completes, or when those that are there do not belong together
 */
export async function createKeysInCluster(client: ClusterClient, names: KeyNames): Promise<KeysOutcome> {
  const { namespace } = names;
  const holders = keyHolders(names);
  let did: KeysOutcome["did"] = "there";
  let seen: string | undefined;
  for (;;) {
    // In this order: a draft is gone only once all have been handed out.
    const found = await readAll(client, namespace, holders);
    const draft = await read(client, namespace, DRAFT);
    const missing = holders.filter((holder) => !found.has(holder));
    if (missing.length === 0) {
      const pinned = check(found);
      if (draft !== undefined) await removeDraft(client, namespace, draft);
      return { did, pinned };
    }
    if (draft !== undefined) {
      if (did === "there") did = "completed";
      await handOut(client, namespace, { draft, found, missing });
    } else if (found.size === 0) {
      if (await writeDraft(client, namespace)) did = "created";
    } else {
      // Somebody else may have been at it between the two readings.
      const state = missing.map(holderText).join(", ");
      if (state === seen) throw refusal(namespace, found, state);
      seen = state;
    }
  }
}

type Found = ReadonlyMap<KeyHolder, HolderObject>;

async function readAll(client: ClusterClient, namespace: string, holders: readonly KeyHolder[]): Promise<Found> {
  const objects = await Promise.all(holders.map((holder) => read(client, namespace, holder)));
  return new Map(holders.flatMap((holder, at) => (objects[at] === undefined ? [] : [[holder, objects[at]] as const])));
}

async function read(
  client: ClusterClient,
  namespace: string,
  { type, name }: KeyHolder,
): Promise<HolderObject | undefined> {
  try {
    return await client.get<HolderObject>(type, { namespace, name });
  } catch (error) {
    if (isClusterError(error, "NotFound")) return undefined;
    throw error;
  }
}

function check(found: Found): PinnedKeys {
  const files = new Map([...found].flatMap(([holder, object]) => [...filesOf(holder, object)]));
  const places = new Map([...found.keys()].flatMap((holder) => holder.files.map((file) => [file, holder] as const)));
  return checkKeySet(files, (file) => {
    const holder = places.get(file);
    return holder === undefined ? file : `${holderText(holder)}, ${file}`;
  });
}

/** Whether it is ours; somebody else's does as well. */
async function writeDraft(client: ClusterClient, namespace: string): Promise<boolean> {
  return await put(client, holderObject(DRAFT, namespace, newKeySet()), { holder: DRAFT, by: randomUUID() });
}

/**
 * Creates an object, or leaves it as it is. An apply, because the right to create can be bound to a name for it, unlike for a POST; it
 * takes over nothing from another writer.
 */
async function put(
  client: ClusterClient,
  object: HolderObject,
  { holder, by }: { holder: KeyHolder; by: string },
): Promise<boolean> {
  try {
    await client.apply(holder.type, object, { fieldManager: `heauth-keys-${by}`, force: false });
    return true;
  } catch (error) {
    // Immutable, or another writer's.
    if (isClusterError(error, "Conflict", "Invalid", "AlreadyExists") && (await exists(client, object, holder)))
      return false;
    throw error;
  }
}

async function exists(client: ClusterClient, { metadata }: HolderObject, holder: KeyHolder): Promise<boolean> {
  return (await read(client, metadata.namespace ?? "", holder)) !== undefined;
}

async function handOut(
  client: ClusterClient,
  namespace: string,
  { draft, found, missing }: { draft: HolderObject; found: Found; missing: readonly KeyHolder[] },
): Promise<void> {
  const set = filesOf(DRAFT, draft);
  for (const [holder, object] of found) refuseAnother(holder, filesOf(holder, object), set);
  for (const holder of missing) {
    const isOurs = await put(client, holderObject(holder, namespace, set), { holder, by: draft.metadata.uid ?? "" });
    // There is one by now: whether it is of this set, the next reading shows.
    if (!isOurs) return;
  }
}

/** What is there already must be of the set that is handed out. */
function refuseAnother(holder: KeyHolder, files: KeySet, set: KeySet): void {
  const differs = holder.files.some((file) => files.get(file) !== set.get(file));
  if (!differs) return;
  throw new CliError(
    "KeyFile",
    `${holderText(holder)} holds other keys than ${holderText(DRAFT)}, which an earlier run left unfinished: no two sets are mixed. ` +
      `Restore what belongs to ${holderText(holder)} from a backup and delete ${holderText(DRAFT)}, or delete ${holderText(holder)} if it never was in use`,
  );
}

async function removeDraft(
  client: ClusterClient,
  namespace: string,
  { metadata: { uid } }: HolderObject,
): Promise<void> {
  try {
    await client.remove(DRAFT.type, { namespace, name: DRAFT.name }, uid === undefined ? {} : { uid });
  } catch (error) {
    // Somebody else has, and there may be another one by now.
    if (!isClusterError(error, "NotFound", "Conflict")) throw error;
  }
}

function refusal(namespace: string, found: Found, missing: string): CliError {
  const there = [...found.keys()].map(holderText).join(", ");
  return new CliError(
    "KeyFile",
    `in namespace ${namespace} there is no ${missing}, but there is ${there}: a second set is never made beside the first. ` +
      "Restore what is missing from a backup; if these keys never were in use, delete them all and run this again",
  );
}
