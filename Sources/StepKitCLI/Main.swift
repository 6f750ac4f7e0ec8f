import Glibc

@main
enum Main {
    static func main() {
        // A reader that went away is noticed by the write that fails.
        signal(SIGPIPE, SIG_IGN)
        PageFaults.report()
        let console = Console(descriptor: STDOUT_FILENO)
        let status = Tool.run(Array(CommandLine.arguments.dropFirst()), console)
        exit(status.rawValue)
    }
}
