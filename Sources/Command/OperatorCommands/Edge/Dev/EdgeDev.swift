import ArgumentParser
import Glibc
import HubContract
import JSONTree
import Platform

/// `orrery edge dev`: a deployment on a laptop.
struct EdgeDev: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dev",
    abstract: "Run a manifest or template here, against a hub here; Ctrl-C leaves nothing behind.",
    discussion: """
      Starts a hub that keeps nothing (or uses the one of --connect or --data), makes an edge device, \
      applies the manifest, runs orrery-edge, and prints what modules write. Modules run in \
      containers, or with --processes as programs of this machine: by --module NAME=COMMAND, or by \
      "process" in their module.json, which 'orrery edge new module' writes.

        orrery edge dev deployment.template.json --processes
        orrery edge dev deployment.json --processes \\
          --module 'filter=python3 main.py' --module sensor=
        orrery edge dev deployment.template.json --processes --attach filter

      --attach leaves the start of a module to you: its variables EdgeHubConnectionString and \
      EdgeModuleCACertificateFile are in a file that is named, for an IDE.
      """
  )

  @Argument(
    help: ArgumentHelp(
      "Manifest, or template of iotedgedev with .env and modules/ beside it.",
      valueName: "file"
    ),
    completion: .file(extensions: ["json"])
  )
  var manifest = "deployment.template.json"

  @Flag(help: "Run modules as processes, without any container engine.") var processes = false

  @Option(
    help: ArgumentHelp(
      "Runs a module by this command, in its folder or the manifest's; without a command the module "
        + "is left out. Again for more.",
      valueName: "name=command"
    )
  )
  var module: [NamedValue] = []

  @Option(
    help: ArgumentHelp("A module that you start yourself; again for more.", valueName: "name")
  )
  var attach: [String] = []

  @Option(help: ArgumentHelp("ID of the edge device, which is made and deleted.", valueName: "id"))
  var device = "edge-dev"

  @Option(
    help: ArgumentHelp(
      "Address or name of this machine that modules and leaf devices dial.",
      valueName: "address"
    )
  )
  var host: String?

  @Option(help: ArgumentHelp("Platform of a template's modules.", valueName: "platform"))
  var platform: String?

  @Option(
    help: ArgumentHelp("The container engine's API.", valueName: "uri")
  )
  var engine = "unix:///var/run/docker.sock"

  @OptionGroup var place: HubPlace

  func validate() throws {
    guard DeviceID.isValid(device) else {
      throw ValidationError("--device: '\(device)' is no device ID")
    }
  }

  func run() async throws {
    let console = Console.current
    let hub = place.isNamed ? try place.resolve(console) : nil
    let file = try ManifestFile.read(manifest, platform: platform, console)
    if !processes { try checkEngine() }
    let directory = try DevelopmentEdge.makeDirectory(console)
    let plan: DevelopmentPlan
    do throws(CommandFailure) {
      plan = try self.plan(file, directory)
    } catch {
      PrivateFile.removeTree(directory)
      throw error
    }
    let options = DevelopmentEdge.Options(
      plan: plan,
      deviceID: device,
      host: host ?? (processes ? "127.0.0.1" : DevelopmentEdge.hostName()),
      engine: processes ? nil : engine,
      hub: hub
    )
    let edge = DevelopmentEdge(options, directory: directory, console)
    let ending: Result<Ending, any Error>
    do {
      ending = .success(try await untilInterrupted { try await edge.run() })
    } catch {
      ending = .failure(error)
    }
    if console.isErrorTerminal { console.writeError("\n") }
    console.remark("Ending …")
    await edge.stop()
    _ = try ending.get()
  }

  private func checkEngine() throws(CommandFailure) {
    guard engine.hasPrefix("unix://") else { return }
    guard access(String(engine.dropFirst(7)), R_OK | W_OK) == 0 else {
      throw CommandFailure(
        .notFound,
        "there is no container engine at \(engine), or this user may not use it",
        remedy: "Give --processes to run modules without one, or --engine to name another."
      )
    }
  }

  private func plan(
    _ file: ManifestFile,
    _ directory: String
  ) throws(CommandFailure) -> DevelopmentPlan {
    var commands: [String: String] = [:]
    for module in module { commands[module.name] = module.value.trimmed }
    do {
      return try DevelopmentPlan(
        file.manifest,
        commands: commands,
        attached: attach,
        usesContainers: !processes,
        directory: file.directory,
        found: { name in
          let folder = file.folders[name] ?? "modules/\(name)"
          let description = try DeploymentTemplate.description(in: folder, file.sources)
          return description.map {
            ($0.process, folder.hasPrefix("/") ? folder : "\(file.directory)/\(folder)")
          }
        },
        image: { DevelopmentEdge.folder(directory, $0) }
      )
    } catch let fault as TemplateFault {
      throw fault.inFile(manifest)
    } catch {
      throw CommandFailure(.failure, "\(error)")
    }
  }
}
