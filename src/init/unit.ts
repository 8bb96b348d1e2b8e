/** What an init system is told: files, and the commands that make it take notice of them. */

/** What is to run. */
export interface ServiceSpec {
  /** Name of the service, of its folders and of its log. */
  readonly name: string;
  /** `ship`, `collect` …: for the description. */
  readonly command: string;
  /** Absolute path of the program. */
  readonly program: string;
  /** Its words, without blanks and quotes: they go into scripts as they are. */
  readonly args: readonly string[];
  readonly config: string;
  /** Absolute path of the state folder. */
  readonly state: string;
  /** Paths outside of the state folder that it writes to: of file sinks, of sockets. */
  readonly writable: readonly string[];
}

/** A file of a service. */
export interface UnitFile {
  /** Absolute, as on the machine. */
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

/** One init system. */
export interface InitSystem {
  readonly name: string;
  /** Whether it runs the machine. @param exists asks for a path of that machine */
  isHere(exists: (path: string) => boolean): boolean;
  files(spec: ServiceSpec): readonly UnitFile[];
  /** Commands after the files are there, in order: the service runs, now and at the next boot. */
  start(spec: ServiceSpec): readonly (readonly string[])[];
  /** Commands before the files are removed. */
  stop(spec: ServiceSpec): readonly (readonly string[])[];
  /** Commands after that. */
  forget?(spec: ServiceSpec): readonly (readonly string[])[];
  /** A symbolic link that starts the service: where from, and what it points to. */
  link?(spec: ServiceSpec): { readonly path: string; readonly target: string };
  /** What is left to do by hand; empty for nothing. */
  hint?(spec: ServiceSpec): string;
}

/** The line by which we know what we wrote: nothing else is ever replaced or removed. */
export const mark = "# Written by agent service install.";

/** Puts the values of `spec` in place of `@NAME@` and its like. @throws when a template asks for something unknown */
export function fillTemplate(template: string, spec: ServiceSpec, more: Readonly<Record<string, string>> = {}): string {
  const values: Readonly<Record<string, string>> = {
    NAME: spec.name,
    COMMAND: spec.command,
    PROGRAM: spec.program,
    ARGUMENTS: spec.args.join(" "),
    CONFIG: spec.config,
    STATE: spec.state,
    LOG: `/var/log/${spec.name}`,
    ...more,
  };
  // `@system-service` and `@12` are systemd's and TAI64N's own: our names are capitals alone.
  return template.replace(/@([A-Z_]+)@/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`Cannot fill ${whole} in a unit: it is not known`);
    return value;
  });
}

/** What a script and a unit take without quotes. */
export const plainWord = /^[A-Za-z0-9_@%+=:,./-]+$/;
