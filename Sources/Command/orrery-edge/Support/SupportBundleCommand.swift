import ArgumentParser
import EdgeEngine
import EdgeService
import Endpoints
import HubContract
import OperatorCommands
import Platform

/// `orrery-edge support-bundle`.
struct SupportBundleCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "support-bundle",
    abstract: "Write what support needs to see into one ZIP file, without secrets.",
    discussion: """
      It holds check.json, the logs of modules and what their runtime says of them, the logs and the \
      state of the edge's processes, and the networks of the container engine. Values of variables, and \
      what stands behind names like SharedAccessKey, password or token, are replaced by ***. Look \
      through it all the same before you hand it on: what a module writes is its own.

        orrery-edge support-bundle --since "2 hours"
        orrery-edge support-bundle -e -o /tmp/edge.zip
      """
  )

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "The file; otherwise one named by the time, in this folder.",
      valueName: "file"
    ),
    completion: .file(extensions: ["zip"])
  )
  var output: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Logs from then on: a time, seconds since 1970, or a span like 2h.",
      valueName: "t"
    )
  )
  var since = "1 day"

  @Option(
    name: .long,
    help: ArgumentHelp("Logs of modules up to then; see --since.", valueName: "t")
  )
  var until: String?

  @Flag(
    name: [.customShort("e"), .customLong("include-edge-runtime-only")],
    help: "Leave out all modules but the edge's own."
  )
  var edgeRuntimeOnly = false

  @Flag(name: .shortAndLong, help: "Say nothing but what fails.") var quiet = false

  @Option(
    name: .long,
    help: ArgumentHelp("The hub above, for the checks.", valueName: "name")
  )
  var iothubHostname: String?

  @OptionGroup var options: SettingsOptions

  /// The most bytes that the agent's part may have.
  private static let byteLimit = 1 << 30

  func run() async throws {
    let now = Timestamp(ticks: SystemClock.wallTicks())
    guard let begin = LogTime.parse(since, now: now) else {
      throw CommandFailure(
        .usage,
        "--since is a time, seconds since 1970 or a span like 2h, not \"\(since)\""
      )
    }
    var archive = await modules(begin) ?? ZipArchive()
    let read: Result<EdgeSettings, SettingsFault>
    do throws(SettingsFault) {
      read = .success(try options.settings())
    } catch {
      read = .failure(error)
    }
    var checks = CheckOptions()
    checks.hubHostName = iothubHostname
    await SupportBundle(
      settings: read,
      paths: options.paths,
      variables: ProcessEnvironment.variables
    ).add(to: &archive, since: begin, options: checks)
    let path = SettingsOptions.absolute(output ?? Self.name(now))
    try PrivateFile.replace(path, with: archive.bytes)
    if !quiet { Console.current.writeOutput("\(path)\n") }
  }

  /// What the agent knows; nil, and a remark, where it does not answer.
  private func modules(_ begin: Timestamp) async -> ZipArchive? {
    let client = LocalClient(.unix(path: options.paths.managementSocket))
    var query = [(name: "parts", value: "modules"), (name: "since", value: "\(begin.seconds)")]
    if let until { query.append(("until", until)) }
    if edgeRuntimeOnly { query.append(("edge_runtime_only", "true")) }
    var bytes: [UInt8] = []
    do {
      try await client.stream(["systeminfo", "supportbundle"], query: query) { part in
        guard bytes.count + part.count <= Self.byteLimit else {
          throw LocalClient.Failure(status: nil, "the logs of modules have more than 1 GiB")
        }
        bytes += part
      }
    } catch {
      if !quiet {
        Console.current.remark("without modules, since the agent does not tell of them: \(error)")
      }
    }
    await client.close()
    return ZipArchive(continuing: bytes)
  }

  private static func name(_ now: Timestamp) -> String {
    let digits = now.iso8601.prefix(19).map { $0.isNumber ? $0 : "_" }
    return "support_bundle_\(String(digits))_UTC.zip"
  }
}
