import ArgumentParser
import EdgeEngine
import HubContract
import JSONTree
import Simulation

/// `orrery edge simulate`: what a manifest's routes and store would do.
struct EdgeSimulate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Rehearse a manifest's routes: what is delivered, delayed, stored, refused, expired.",
    discussion: """
      Routes, store and lifetimes are an edge's own; link, disk and time are simulated, so that weeks \
      without a link take seconds. Nothing is asked of a hub or of an edge.

        orrery edge simulate deployment.json --generate '10/m 1KiB from leaf-1' \\
          --link 'up 2h, down 30d, up' --quota 1GiB
        orrery edge simulate deployment.json \\
          --generate '1/s from leaf-1 with level=hot' \\
          --generate '6/m 200B from module filter/out' \\
          --module 'filter=up 1h, down 2h, up'
        orrery edge simulate deployment.json \\
          --generate '1/m from leaf-1 body {"temperature":31}'
        orrery monitor events -o json > traffic.jsonl
        orrery edge simulate deployment.json --traffic traffic.jsonl \\
          --link 'up 5m, down 1h, up'

      --generate is RATE [SIZE] from SENDER [with NAME=VALUE …] [body JSON]; a rate is like 10/s, 6/m, \
      1/h. SENDER is a leaf device, or module NAME or module NAME/OUTPUT. A line of --traffic is \
      what 'orrery monitor events' prints, or {"at":12.5,"from":"leaf-1","body":{…}} with module, output, \
      properties, contentType, bodyText, bodyBase64 or size.

      A sender that is refused keeps its message; that is counted, and it is not sent again.
      """
  )

  @Argument(
    help: ArgumentHelp(
      "Manifest, template, or the desired properties of $edgeHub; - is the input.",
      valueName: "file"
    ),
    completion: .file(extensions: ["json"])
  )
  var manifest: String

  @Option(
    help: ArgumentHelp(
      "When the hub can be reached: 'up 2h, down 30d, up', or 'up 1h, down 1h, repeat'.",
      valueName: "schedule"
    )
  )
  var link = "up"

  @Option(
    help: ArgumentHelp(
      "When a module takes messages: NAME=SCHEDULE; again for more.",
      valueName: "name=schedule"
    )
  )
  var module: [NamedValue] = []

  @Option(
    help: ArgumentHelp("Messages that come, such as '10/s 1KiB from leaf-1'; again for more.")
  )
  var generate: [String] = []

  @Option(
    help: ArgumentHelp("File of recorded messages, a JSON object a line.", valueName: "file"),
    completion: .file(extensions: ["jsonl"])
  )
  var traffic: String?

  @Option(
    name: .customLong("for"),
    help: ArgumentHelp(
      "How long messages come; else as long as the schedules of --link and --module, the recording, "
        + "or a day.",
      valueName: "time"
    )
  )
  var duration: TimeSpan?

  @Option(
    help: ArgumentHelp("Bytes that may wait, in place of the manifest's limit.", valueName: "size")
  )
  var quota: ByteSize?

  @Option(
    help: ArgumentHelp(
      "The gateway's disk; this program takes up to twice as much memory.",
      valueName: "size"
    )
  )
  var disk = ByteSize(1 << 30)

  @Option(help: ArgumentHelp("Messages a second upstream at most.", valueName: "number"))
  var rate: UInt64 = 1000

  @Option(help: ArgumentHelp("Bytes a second upstream at most.", valueName: "size"))
  var bandwidth: ByteSize?

  @Option(help: ArgumentHelp("ID of the edge device.", valueName: "id"))
  var edge = "edge"

  @Option(help: "The same seed tells the same story.") var seed: UInt64 = 1

  @Option(help: ArgumentHelp("Platform of a template's modules.", valueName: "platform"))
  var platform: String?

  @Option(
    name: [.long, .customShort("o")],
    help: "table for people, json for programs; on a terminal the default is table."
  )
  var output: OutputFormat?

  func validate() throws {
    if generate.isEmpty, traffic == nil {
      throw ValidationError("give --generate or --traffic: something has to come")
    }
    guard (1...1_000_000).contains(rate) else {
      throw ValidationError("--rate must be 1 to 1000000")
    }
    guard bandwidth.map({ $0.byteCount > 0 }) ?? true else {
      throw ValidationError("--bandwidth must be at least 1")
    }
    // The store leaves 64 MiB alone, and reserves 16 MiB at a time.
    guard ((128 << 20)...(64 << 30)).contains(disk.byteCount) else {
      throw ValidationError("--disk must be 128MiB to 64GiB")
    }
    guard quota.map({ $0.byteCount > 0 }) ?? true else {
      throw ValidationError("--quota must be at least 1")
    }
    if let duration, duration.milliseconds < 1000 {
      throw ValidationError("--for must be at least 1s")
    }
  }

  func run() async throws {
    let plan = try plan()
    let seconds = max(plan.durationMilliseconds / 1000, 1)
    let (console, manifest, output, seed) = (Console.current, manifest, output, seed)
    // Simulated disks belong to one thread, and Ctrl-C has to be heard meanwhile.
    let ending = try await untilInterrupted {
      let progress = Progress("% of the traffic's time rehearsed", console: console)
      var rehearsal = try Self.rehearsal(plan, of: manifest)
      let report = rehearsal.run { milliseconds in
        progress.show(Int(clamping: min(milliseconds / 10 / seconds, 100)))
        return !Task.isCancelled
      }
      progress.end()
      let sheet = RehearsalSheet(report, seed: seed)
      Printer(output, console: console).show(sheet.json) { sheet.show($0) }
    }
    if case .interrupted = ending { throw ExitCode(CommandStatus.failure.rawValue) }
  }

  private static func rehearsal(
    _ plan: EdgeRehearsal.Plan,
    of manifest: String
  ) throws(CommandFailure) -> EdgeRehearsal {
    do throws(StoreFault) {
      return try EdgeRehearsal(plan)
    } catch {
      throw CommandFailure(.usage, "\(manifest): the store cannot have these endpoints: \(error)")
    }
  }

  // MARK: - What is asked

  private func plan() throws(CommandFailure) -> EdgeRehearsal.Plan {
    let configuration = try configuration()
    for warning in configuration.warnings { Console.current.remark("warning: \(warning)") }
    let link = try schedule(link, "--link")
    var modules: [String: LinkSchedule] = [:]
    for module in module {
      modules[module.name] = try schedule(module.value, "--module \(module.name)")
    }
    let recorded = try recorded()
    var generators: [RehearsedTraffic.Generator] = []
    for text in generate {
      do throws(RehearsalFault) {
        generators.append(try TrafficLine.generator(text, edge: edge))
      } catch {
        throw CommandFailure(.usage, "--generate '\(text)': \(error)")
      }
    }
    let bounded = ([link] + modules.values).map(\.boundedMilliseconds).max() ?? 0
    let last = recorded.map { $0.milliseconds + 1 }.max() ?? 0
    let length =
      duration.map { UInt64(clamping: $0.milliseconds) }
      ?? max(bounded, last, generators.isEmpty || bounded + last > 0 ? 1000 : 86_400_000)
    var plan = EdgeRehearsal.Plan(
      configuration,
      RehearsedTraffic(recorded: recorded, generators: generators),
      durationMilliseconds: length
    )
    plan.deviceID = edge
    plan.link = link
    plan.modules = modules
    plan.messagesPerSecond = rate
    plan.bytesPerSecond = bandwidth?.byteCount
    plan.maxSizeBytes = quota?.byteCount
    plan.diskBytes = disk.byteCount
    plan.seed = seed
    return plan
  }

  private func schedule(
    _ text: String,
    _ option: String
  ) throws(CommandFailure) -> LinkSchedule {
    do throws(RehearsalFault) {
      return try LinkSchedule(text: text)
    } catch {
      throw CommandFailure(.usage, "\(option): \(error)")
    }
  }

  private func configuration() throws(CommandFailure) -> HubConfiguration {
    let desired: JSONObject
    if let bare = try bareProperties() {
      desired = bare
    } else {
      let file = try ManifestFile.read(manifest, platform: platform)
      do throws(TemplateFault) {
        guard let found = try file.manifest.desired(of: "$edgeHub") else {
          throw TemplateFault("there is no $edgeHub in modulesContent, and so no routes")
        }
        desired = found
      } catch {
        throw error.inFile(manifest)
      }
    }
    do throws(DesiredStatus) {
      return try HubConfiguration(desired: desired)
    } catch {
      throw CommandFailure(.usage, "\(manifest): \(error.description)".withoutFullStop)
    }
  }

  /// The desired properties of `$edgeHub`, where the file has them and nothing around.
  private func bareProperties() throws(CommandFailure) -> JSONObject? {
    guard manifest != "-", let bytes = try? Console.current.readFile(manifest),
      let object = (try? JSON.parse(bytes))?.objectValue, object.contains("schemaVersion"),
      object.contains("routes")
    else { return nil }
    return object
  }

  private func recorded() throws(CommandFailure) -> [(
    milliseconds: UInt64, message: RehearsedTraffic.Message
  )] {
    guard let traffic else { return [] }
    let text = String(decoding: try InputText.bytes("@" + traffic), as: UTF8.self)
    var found: [(milliseconds: Int64, message: RehearsedTraffic.Message)] = []
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (number, line) in lines.enumerated() where !line.allSatisfy(\.isWhitespace) {
      do throws(RehearsalFault) {
        if let message = try TrafficLine.recorded(String(line), edge: edge) {
          found.append(message)
        }
      } catch {
        throw CommandFailure(.usage, "\(traffic), line \(number + 1): \(error)")
      }
    }
    guard let first = found.map(\.milliseconds).min() else {
      throw CommandFailure(.usage, "\(traffic) has no message")
    }
    // Seconds count from the start; times of day count from the first.
    let start = first > 1_000_000_000_000 ? first : 0
    return found.map { entry in
      (milliseconds: UInt64(clamping: entry.milliseconds - start), message: entry.message)
    }
  }
}
