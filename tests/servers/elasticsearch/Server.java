import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.transport.Netty4Plugin;

/** One Elasticsearch node on 127.0.0.1: java Server DIRECTORY PORT_FILE. When it serves, its port is written to the file. */
public class Server {
    private static class PluggableNode extends Node {
        PluggableNode(Environment environment, List<Class<? extends Plugin>> plugins) {
            super(environment, plugins, true);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Path directory = Path.of(arguments[0]);
        Settings settings = Settings.builder()
            .put("path.home", directory)
            .put("discovery.type", "single-node")
            .put("network.host", "127.0.0.1")
            .put("http.port", 0)
            .put("transport.port", 0)
            .put("http.type", "netty4")
            .put("transport.type", "netty4")
            // A nearly full disk of the machine that tests is not what is tested.
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
        Node node = new PluggableNode(new Environment(settings, directory.resolve("config")), List.of(Netty4Plugin.class));
        node.start();
        int port = node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress().getPort();
        Files.writeString(Path.of(arguments[1]), port + "\n");
        Thread.currentThread().join();
    }
}
