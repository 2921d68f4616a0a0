import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Part } from "@heauth/program";
import { createServer } from "../../kube/process.ts";
import { POD_RANGES } from "./addresses.ts";
import type { Ground } from "./ground.ts";

const run = promisify(execFile);

/** Its socket, which may be used from outside the node too. */
export const socketOf = (folder: string) => join(folder, "containerd.sock");

/** containerd with a network for pods. */
export function createContainerd({ folder, assets, addresses, supervised }: Ground): Part {
  const [config, networks] = [join(folder, "containerd.toml"), join(folder, "cni")];
  const server = createServer({
    name: "containerd",
    folder,
    command: "containerd",
    args: () => ["--config", config],
    ready: async (_run, signal) => untilServing(folder, signal),
    ...supervised("containerd"),
  });
  return {
    ...server,
    async start() {
      await mkdir(networks, { recursive: true });
      await writeFile(config, configText(folder, networks, assets.images.pause.name));
      await writeFile(join(networks, "10-heauth.conflist"), JSON.stringify(podNetwork(addresses.length), null, 2));
      await server.start();
    },
  };
}

/** Lets pods use the images of an archive, as docker and buildah write it. */
export async function importImages(folder: string, file: string): Promise<void> {
  await run("ctr", ["--address", socketOf(folder), "--namespace", "k8s.io", "images", "import", file]);
}

async function untilServing(folder: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const version = run("ctr", ["--address", socketOf(folder), "--connect-timeout", "1s", "version"], { signal });
    const answered = await version.then(
      () => true,
      () => false,
    );
    if (answered) return;
    signal.throwIfAborted();
  }
}

/**
 * Each pod has a link of its own to the node, which routes between them: on a bridge, packets from pod to pod would pass by the
 * rules that make Services. Pods are not masqueraded: an app sees who asks. Nothing leads out of the node.
 */
function podNetwork(families: number): object {
  const defaults = ["0.0.0.0/0", "::/0"];
  return {
    cniVersion: "0.4.0",
    name: "heauth",
    plugins: [
      {
        type: "ptp",
        ipam: {
          type: "host-local",
          ranges: POD_RANGES.slice(0, families).map((subnet) => [{ subnet }]),
          routes: defaults.slice(0, families).map((dst) => ({ dst })),
        },
      },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };
}

function configText(folder: string, networks: string, pauseImage: string): string {
  const text = JSON.stringify;
  return `version = 2
root = ${text(join(folder, "containerd"))}
state = "/run/containerd"
[grpc]
  address = ${text(socketOf(folder))}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = ${text(pauseImage)}
  # Where the machine lacks CAP_SYS_RESOURCE, no process may make itself harder to kill.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = ${text(networks)}
`;
}
