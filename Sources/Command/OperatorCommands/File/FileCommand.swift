import ArgumentParser
import HubContract
import JSONTree

/// `orrery file`: what devices have uploaded.
struct FileCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "file",
    abstract: "List, read and delete the files that devices upload.",
    discussion: """
        orrery file list --device pump-1
        orrery file download pump-1/logs/today.txt
        orrery file delete pump-1/logs/today.txt
        orrery file url pump-1/logs/today.txt --ttl 1d
      """,
    subcommands: [FileList.self, FileDownload.self, FileDelete.self, FileURL.self]
  )
}

/// Which container.
struct ContainerOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The container; uploads are in 'uploads'.", valueName: "name"))
  var container = "uploads"
}

struct FileList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List files in the order of their names.",
    discussion: """
        orrery file list
        orrery file list --device pump-1
        orrery file list --all -o json | jq -r '.[].blobName'
      """
  )

  @Option(help: ArgumentHelp("Only what this device has uploaded.", valueName: "device"))
  var device: String?

  @Option(help: ArgumentHelp("Only names that begin so.", valueName: "text"))
  var prefix: String?

  @OptionGroup var container: ContainerOptions
  @OptionGroup var page: PageOptions
  @OptionGroup var hub: HubOptions

  func validate() throws {
    guard device == nil || prefix == nil else {
      throw ValidationError("--device and --prefix exclude each other")
    }
  }

  func run() async throws {
    try await hub.withHub { client, printer in
      let request = HubRequest(.get, ["files"])
        .query("container", container.container)
        .query("prefix", device.map { "\($0)/" } ?? prefix)
      let pages = Pages(client, request, subject: "the list of files", limit: page.limit)
      let (rows, hasMore) = try await pages.all(progress: Progress("files"))
      printer.show(.array(rows)) { $0.table(table(rows), none: "There are no files.") }
      if hasMore { page.remark(printer) }
    }
  }

  private func table(_ rows: [JSONValue]) -> Table {
    var table = Table(["NAME", "BYTES", "TYPE", "UPDATED"])
    for row in rows {
      table.append([
        Cell(row["blobName"]?.shown ?? "-", .strong),
        Cell(row["blobSizeInBytes"]?.shown ?? "-", .plain), Cell(row["contentType"]?.shown ?? "-"),
        Cell(ShownTime.text(row["lastUpdatedTime"]?.stringValue)),
      ])
    }
    return table
  }
}

struct FileDelete: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete",
    abstract: "Delete files.",
    discussion: "  orrery file delete pump-1/logs/1.txt pump-1/logs/2.txt --yes"
  )

  @Argument(help: ArgumentHelp("Their names, the device's ID first.", valueName: "name"))
  var names: [String]

  @Flag(name: [.long, .customShort("y")], help: "Do not ask.") var yes = false
  @OptionGroup var container: ContainerOptions
  @OptionGroup var hub: HubOptions

  func run() async throws {
    let what = names.count == 1 ? "the file \(names[0])" : "\(names.count) files"
    try Confirmation.ask("Delete \(what)?", isSure: yes)
    try await hub.withHub { client, printer in
      for name in names {
        try await client.perform(
          HubRequest(.delete, ["files", container.container, name]),
          "the file \(name)"
        )
        printer.done("Deleted \(name).")
      }
    }
  }
}

struct FileURL: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "url",
    abstract: "Print a URL that works without a token, for some time.",
    discussion: """
      Whoever has it can do what it allows. It takes the requests of the blob service's REST interface, \
      so its SDKs and tools work with it. Without a name it is for the whole container.

        orrery file url pump-1/logs/today.txt
        orrery file url --container exports --permissions rwl --ttl 1d
      """
  )

  @Argument(help: ArgumentHelp("The file's name, the device's ID first.", valueName: "name"))
  var name: String?

  @Option(
    help: ArgumentHelp(
      "What it allows: r read, a append, c create, w write, d delete, l list.",
      valueName: "letters"
    )
  )
  var permissions = "r"

  @Option(help: "How long it is valid, such as 1h.") var ttl = TimeSpan(seconds: 3600)
  @OptionGroup var container: ContainerOptions
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      var body: JSONObject = [
        "containerName": .string(container.container), "permissions": .string(permissions),
        "expirySeconds": .int(ttl.seconds),
      ]
      if let name { body["blobName"] = .string(name) }
      let request = HubRequest(.post, ["files", "signatures"]).body(.object(body))
      let answer = try await client.perform(request, "the URL").json()
      printer.text(answer["url"]?.stringValue ?? "", as: answer)
    }
  }
}
