/** What makes this machine's share of the jitter its own, and stay so over restarts. */

/**
 * The machine's id (systemd's or dbus') with `name`: images that were cloned share the id, and then the name tells them apart.
 */
export function machineSeed(name: string): string {
  for (const path of ["/etc/machine-id", "/var/lib/dbus/machine-id"]) {
    try {
      return `${Deno.readTextFileSync(path).trim()} ${name}`;
    } catch {
      // Many small systems have none: the name must do.
    }
  }
  return name;
}
