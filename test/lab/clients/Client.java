// Java's HttpClient over h1 and h2: one allowed GET and POST, one blocked GET, eight GETs at once.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.stream.IntStream;

public class Client {
  public static void main(String[] args) throws Exception {
    for (int at = 0; at < 2; at++) ask(args[2 * at], args[2 * at + 1], HttpClient.Version.values()[at]);
  }

  static void ask(String allowed, String blocked, HttpClient.Version version) throws Exception {
    HttpClient client = HttpClient.newBuilder().version(version).build();
    var asString = HttpResponse.BodyHandlers.ofString();
    var one = client.send(to(allowed, "/one").build(), asString);
    System.out.println("allowed " + one.statusCode() + " " + one.body().length());
    var body = HttpRequest.BodyPublishers.ofString("x".repeat(1000));
    var two = client.send(to(allowed, "/two").POST(body).build(), asString);
    System.out.println("posted " + two.statusCode() + " " + two.body().length());
    var refused = client.send(to(blocked, "/one").build(), asString);
    var rule = refused.headers().firstValue("x-sallyport-rule").orElse("-");
    System.out.println("blocked " + refused.statusCode() + " " + rule);
    var many = IntStream.range(0, 8)
        .mapToObj(i -> client.sendAsync(to(allowed, "/many/" + i).build(), asString)).toList();
    long good = many.stream().filter(answer -> answer.join().statusCode() == 200).count();
    System.out.println("concurrent " + good);
  }

  static HttpRequest.Builder to(String host, String path) {
    return HttpRequest.newBuilder(URI.create("https://" + host + path));
  }
}
