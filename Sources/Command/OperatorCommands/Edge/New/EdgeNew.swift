import ArgumentParser
import Glibc
import HubContract
import JSONTree
import Platform

/// `orrery edge new`: the beginning of something.
struct EdgeNew: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new",
    abstract: "Begin a module.",
    subcommands: [EdgeNewModule.self]
  )
}

/// Languages that modules can be begun in.
enum ModuleLanguage: String, ExpressibleByArgument, CaseIterable {
  /// With the stock module client.
  case python
  /// With the library of this package.
  case swift
}

/// `orrery edge new module`.
struct EdgeNewModule: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "module",
    abstract:
      "Write a module that runs: code, test, module.json, Dockerfile, and a template around.",
    discussion: """
      The module reads an input and sends to an output. Nothing is fetched. Where there is no \
      deployment.template.json yet, one is written that has the module and its routes:

        orrery edge new module filter
        orrery edge dev --processes

      One in Swift is built on the library OrreryModule, from the sources of Orrery:

        orrery edge new module filter --language swift --orrery ~/src/orrery
        swift build --package-path modules/filter
      """
  )

  @Argument(help: ArgumentHelp("The module's name: letters, digits, - and _.", valueName: "name"))
  var name: String

  @Option(help: "python uses azure-iot-device, to be installed by pip; swift uses OrreryModule.")
  var language = ModuleLanguage.python

  @Option(
    help: ArgumentHelp(
      "For Swift, a checkout of Orrery's sources; else the folder orrery in the module's.",
      valueName: "dir"
    ),
    completion: .directory
  )
  var orrery: String?

  @Option(
    help: ArgumentHelp("The folder of the template; modules/ is in it.", valueName: "dir"),
    completion: .directory
  )
  var directory = "."

  @Option(
    help: ArgumentHelp("Where the image will be, without a tag.", valueName: "repository")
  )
  var repository: String?

  func validate() throws {
    let isLegal = name.utf8.allSatisfy { byte in
      (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
        || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
    }
    guard isLegal, (1...64).contains(name.utf8.count), name.utf8.first != UInt8(ascii: "-"),
      !["edgeagent", "edgehub"].contains(name.lowercased())
    else {
      throw ValidationError(
        "'\(name)' is no name for a module here: 1 to 64 letters, digits, - and _, and not a system "
          + "module's"
      )
    }
    guard orrery == nil || language == .swift else {
      throw ValidationError("--orrery is for --language swift")
    }
  }

  func run() throws {
    let root = AbsolutePath.of(directory)
    let folder = "\(root)/modules/\(name)"
    guard !PrivateFile.exists(folder) else {
      throw CommandFailure(.conflict, "\(folder) exists already, and is left as it is")
    }
    let template = try project()
    let deployment = "\(root)/deployment.template.json"
    let isFirst = !PrivateFile.exists(deployment)
    do throws(FileFault) {
      try write(template.files, to: folder)
      if isFirst { try write([("deployment.template.json", template.deployment)], to: root) }
    } catch {
      throw CommandFailure(.file(error), "\(error)", remedy: error.remedy)
    }
    let console = Console.current
    console.writeOutput("\(folder)\n")
    if language == .swift {
      if orrery == nil {
        console.remark("Put a checkout of Orrery's sources, or a link to one, at \(folder)/orrery")
      }
      console.remark("Build it: swift build --package-path \(folder)")
    }
    guard isFirst else {
      console.remark(
        "\(deployment) is left as it is. Below \"modules\" it needs:\n\"\(name)\": "
          + JSON.prettyText(template.deploymentModule)
      )
      return
    }
    console.remark(
      "\(deployment) has the module and its routes. Run it: orrery edge dev --processes"
    )
  }

  private func project() throws -> any ModuleProject {
    let repository = repository ?? "localhost:5000/\(name)"
    guard language == .swift else { return PythonModule(name: name, repository: repository) }
    guard let orrery else {
      return SwiftModule(
        name: name,
        repository: repository,
        package: SwiftModule.defaultPackage
      )
    }
    let package = AbsolutePath.of(orrery)
    guard PrivateFile.exists("\(package)/Package.swift") else {
      throw CommandFailure(
        .usage,
        "\(package) is no checkout of Orrery: it has no Package.swift"
      )
    }
    return SwiftModule(name: name, repository: repository, package: package)
  }

  private func write(_ files: [(name: String, text: String)], to folder: String) throws(FileFault) {
    for file in files {
      let path = "\(folder)/\(file.name)"
      try makeFolders(PrivateFile.directory(of: path))
      // Source code, for the whole team to read; never over what is there.
      let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
      guard descriptor >= 0 else { throw FileFault("make", path) }
      defer { close(descriptor) }
      var rest = Array(file.text.utf8)[...]
      while !rest.isEmpty {
        let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { throw FileFault("write", path) }
        rest = rest.dropFirst(count)
      }
    }
  }

  private func makeFolders(_ path: String) throws(FileFault) {
    var sofar = ""
    for part in path.utf8.split(separator: UInt8(ascii: "/")) {
      sofar += "/\(Substring(part))"
      guard mkdir(sofar, 0o755) != 0 else { continue }
      // A folder above that may be passed through need not be one that may be written.
      if errno != EEXIST, !PrivateFile.exists(sofar) { throw FileFault("make", sofar) }
    }
  }
}
