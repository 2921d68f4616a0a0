import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What the kubelet would set for the whole machine. It reads and writes files of its own instead. */
const KERNEL_SETTINGS = {
  "vm/overcommit_memory": "1",
  "vm/panic_on_oom": "0",
  "kernel/panic": "10",
  "kernel/panic_on_oops": "1",
  "kernel/keys/root_maxkeys": "1000000",
  "kernel/keys/root_maxbytes": "25000000",
};

/** In a mount namespace of our own: gives the node folders that the machine has only one of. */
export function mountNode(folder: string): void {
  // Containers get to see what is mounted for them later.
  mount("--make-rshared", "/");
  mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run");
  for (const path of ["/var/lib", "/var/log"]) {
    const own = join(folder, "root", path);
    mkdirSync(own, { recursive: true });
    mount("--bind", own, path);
  }
  for (const [setting, value] of Object.entries(KERNEL_SETTINGS)) {
    const path = join("/proc/sys", setting);
    if (!existsSync(path)) continue;
    const own = join(folder, "root", path);
    mkdirSync(join(own, ".."), { recursive: true });
    writeFileSync(own, `${value}\n`);
    mount("--bind", own, path);
  }
}

function mount(...args: string[]): void {
  execFileSync("mount", args, { stdio: ["ignore", "ignore", "inherit"] });
}
