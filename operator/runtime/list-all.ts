import {
  type ClusterClient,
  isClusterError,
  type KubeObject,
  type ResourceType,
  type Selection,
} from "@heauth/program/kubernetes";

const PAGE = 500;
const PAGE_WITHIN_MS = 30_000;

/**
 * Lists everything as of one moment, page by page, so that no more than a page is held whole.
 * @param each is called for each object; from the beginning again where the pages grew too old in the middle
 * @returns the resource version to watch from
 */
export async function listAll<O extends KubeObject>(
  client: ClusterClient,
  type: ResourceType,
  selection: Selection,
  { each, begin, signal }: { begin: () => void; each: (object: O) => void; signal: AbortSignal },
): Promise<string> {
  const options = { deadlineMs: PAGE_WITHIN_MS, signal };
  const page = async (limit: { limit?: number; continueToken?: string }) => {
    const answer = await client.list<O>(type, { ...selection, ...limit }, options);
    for (const object of answer.items) each(object);
    return answer;
  };

  begin();
  try {
    let answer = await page({ limit: PAGE });
    while (answer.continueToken !== undefined) {
      answer = await page({ limit: PAGE, continueToken: answer.continueToken });
    }
    return answer.resourceVersion;
  } catch (error) {
    if (!isClusterError(error, "Gone")) throw error;
    // Slower than etcd is compacted: all at once, then.
    begin();
    return (await page({})).resourceVersion;
  }
}
