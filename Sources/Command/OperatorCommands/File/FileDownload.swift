import ArgumentParser
import Glibc
import Platform

struct FileDownload: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "download",
    abstract: "Copy a file to this machine.",
    discussion: """
      It goes under the last part of its name into this directory, or where --to says; a file that is \
      there already is kept, unless --force. With --to - it goes to the output.

        orrery file download pump-1/logs/today.txt
        orrery file download pump-1/logs/today.txt --to - | less
      """
  )

  @Argument(help: ArgumentHelp("The file's name, the device's ID first.", valueName: "name"))
  var name: String

  @Option(help: ArgumentHelp("Where to; - is the output.", valueName: "path"), completion: .file())
  var to: String?

  @Flag(help: "Replace a file that is there.") var force = false
  @OptionGroup var container: ContainerOptions
  @OptionGroup var hub: HubOptions

  /// Long enough for a large file on a slow line.
  private static let timeoutSeconds: Int64 = 86_400

  func run() async throws {
    let path = to ?? name.split(separator: "/").last.map(String.init) ?? name
    guard path != "-" else {
      return try await fetch { try PrivateFile.write($0.span, to: STDOUT_FILENO, at: "the output") }
    }
    guard force || !PrivateFile.exists(path) else {
      throw CommandFailure(
        .failure,
        "\(path) is there already",
        remedy: "Name another file with --to, or replace it with --force."
      )
    }
    let partial = path + ".part"
    unlink(partial)
    let file = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
    guard file >= 0 else {
      let fault = FileFault("create", partial)
      throw CommandFailure(.file(fault), "\(fault)")
    }
    defer { close(file) }
    do {
      var count = 0
      try await fetch { bytes in
        try PrivateFile.write(bytes.span, to: file, at: partial)
        count += bytes.count
      }
      try PrivateFile.move(partial, to: path)
      Console.current.remark("Wrote \(count) bytes to \(path).")
    } catch {
      unlink(partial)
      if let fault = error as? FileFault { throw CommandFailure(.file(fault), "\(fault)") }
      throw error
    }
  }

  private func fetch(_ sink: ([UInt8]) throws -> Void) async throws {
    try await hub.withHub { client, _ in
      let request = HubRequest(.get, ["files", container.container, name])
        .timeout(seconds: Self.timeoutSeconds)
      try await client.download(request, "the file \(name)", to: sink)
    }
  }
}
