import ArgumentParser
@main struct Orrery: ParsableCommand { static let configuration = CommandConfiguration(abstract: "x") }
