// What a program's own resolver makes of a name: its addresses, or the error. Built against musl by the tests.
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int main(int count, char **words) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = 0;
  int error = count == 2 ? getaddrinfo(words[1], "443", &hints, &found) : EAI_FAIL;
  if (error) return printf("%s\n", gai_strerror(error)), 1;
  for (struct addrinfo *one = found; one; one = one->ai_next) {
    char text[INET6_ADDRSTRLEN];
    const void *bytes = one->ai_family == AF_INET ? (void *)&((struct sockaddr_in *)one->ai_addr)->sin_addr
                                                  : (void *)&((struct sockaddr_in6 *)one->ai_addr)->sin6_addr;
    printf("%s\n", inet_ntop(one->ai_family, bytes, text, sizeof text));
  }
  return 0;
}
